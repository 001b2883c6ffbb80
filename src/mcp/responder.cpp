#include "mcp/responder.h"

#include "mcp/presentation.h"

#include <fmt/format.h>

#include <utility>

namespace pyember::mcp {
namespace {

std::string begin_result(const RequestId& id, std::size_t room) {
  std::string line;
  line.reserve(room);
  line += R"({"jsonrpc":"2.0","id":)";
  line += id.text();
  line += R"(,"result":{)";
  return line;
}

void append_cache(std::string& line, const CachePolicy& cache) {
  line += R"(,"ttlMs":)";
  line += std::to_string(cache.ttl_ms);
  line += cache.is_public ? R"(,"cacheScope":"public")" : R"(,"cacheScope":"private")";
}

class Nowhere final : public Output {
 public:
  void send(std::string&&, const Envelope&) override {}
};

void append_more_members(std::string& line, const Json& members) {
  if (!members.is_object()) return;
  for (const auto& [name, value] : members.items()) {
    line += ',';
    append_json_string(line, name);
    line += ':';
    append_json(line, value);
  }
}

}  // namespace

Batch::~Batch() {
  if (answers_.empty()) {
    if (ticket_ != kNoTicket) responder_.output().forget(ticket_);
  } else {
    responder_.batch(request_.empty() ? nullptr : &request_, '[' + answers_ + ']', ticket_);
  }
}

void Batch::add(const RequestId& request, std::string_view answer) {
  if (!request.empty()) request_ = request;
  if (!answers_.empty()) answers_ += ',';
  answers_ += answer;
}

Responder::Responder(const std::string& info_member, Output& output)
    : info_member_(info_member), output_(&output) {}

void Responder::close() {
  static Nowhere nowhere;
  output_ = &nowhere;
}

void Responder::result(const Recipient& to, std::string_view members,
                       std::optional<CachePolicy> cache, const Json& meta) {
  constexpr std::size_t kEnvelope = 160;
  std::string line = begin_result(to.id, members.size() + info_member_.size() + kEnvelope);
  if (is_modern(to.context.version)) {
    line += R"("resultType":"complete")";
    if (!members.empty()) line += ',';
    line += members;
    if (cache) append_cache(line, *cache);
    line += R"(,"_meta":{)";
    line += info_member_;
    append_more_members(line, meta);
    line += '}';
  } else {
    line += members;
    if (meta.is_object()) {
      if (!members.empty()) line += ',';
      line += R"("_meta":)";
      append_json(line, meta);
    }
  }
  line += "}}";
  send(to, std::move(line));
}

void Responder::input_required(const Recipient& to, std::string_view requests,
                               std::string_view state) {
  std::string line = begin_result(to.id, requests.size() + info_member_.size() + 256);
  line += R"("resultType":"input_required","inputRequests":{)";
  line += requests;
  line += R"(},"requestState":)";
  append_json_string(line, state);
  line += R"(,"_meta":{)";
  line += info_member_;
  line += "}}}";
  send(to, std::move(line));
}

void Responder::task(const Recipient& to, std::string_view members) {
  std::string line = begin_result(to.id, members.size() + info_member_.size() + 128);
  line += R"("resultType":"task",)";
  line += members;
  line += R"(,"_meta":{)";
  line += info_member_;
  line += "}}}";
  send(to, std::move(line));
}

void Responder::subscription_result(const Recipient& to) {
  std::string line = begin_result(to.id, info_member_.size() + 256);
  line += R"("resultType":"complete","_meta":{")";
  line += meta_key::kSubscriptionId;
  line += R"(":)";
  line += to.id.text();
  line += ',';
  line += info_member_;
  line += "}}}";
  send(to, std::move(line));
}

void Responder::error(const Recipient& to, const RpcError& error) {
  send(to, error_line(to.id, error), static_cast<int>(error.code));
}

void Responder::error_beside(const Recipient& to, const RpcError& error) {
  if (to.batch) return to.batch->add({}, error_line(to.id, error));
  output_->send(error_line(to.id, error),
                {Envelope::Kind::Answer, nullptr, static_cast<int>(error.code), to.ticket});
}

void Responder::batch(const RequestId* about, std::string&& answers, Ticket ticket) {
  output_->send(std::move(answers), {Envelope::Kind::Answer, about, 0, ticket});
}

void Responder::notification(const RequestId* about, std::string_view method,
                             std::string_view params) {
  output_->send(notification_line(method, params), {Envelope::Kind::Notification, about});
}

void Responder::request(const RequestId& about, std::string_view id, std::string_view method,
                        std::string_view params) {
  output_->send(
      fmt::format(R"({{"jsonrpc":"2.0","id":"{}","method":"{}","params":{}}})", id, method, params),
      {Envelope::Kind::Request, &about});
}

void Responder::send(const Recipient& to, std::string&& line, int error_code) {
  if (to.batch) {
    to.batch->add(to.id, line);
  } else {
    output_->send(std::move(line), {Envelope::Kind::Answer, to.id.empty() ? nullptr : &to.id,
                                    error_code, to.ticket});
  }
}

}  // namespace pyember::mcp
