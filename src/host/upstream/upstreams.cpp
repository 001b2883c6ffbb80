#include "host/upstream/upstreams.h"

#include <signal.h>

#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "host/upstream/later.h"
#include "host/upstream/upstream.h"
#include "host/upstream/upstream_failures.h"

namespace pyember::host {

using mcp::Json;

class Upstreams::Impl {
 public:
  Impl(EventLoop& loop, UpstreamConfiguration configuration, UpstreamSettings settings)
      : configuration_(std::move(configuration)),
        settings_(std::move(settings)),
        later_(loop),
        end_deadline_(loop, [this] { end_now(); }) {
    signal(SIGPIPE, SIG_IGN);  // a child that does not read any more is an error of write()
    for (const UpstreamDefinition& each : configuration_.upstreams) {
      upstreams_.push_back(
          std::make_unique<Upstream>(loop, each, settings_, later_, tools_listed_));
    }
  }

  const UpstreamConfiguration& configuration() const { return configuration_; }

  // The place among the definitions; their number: there is none of that name.
  std::size_t place_of(std::string_view name) const {
    const auto& all = configuration_.upstreams;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].name == name) return i;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].alias == name) return i;
    }
    return all.size();
  }

  const Upstream* find(std::string_view name) const {
    const std::size_t place = place_of(name);
    return place < upstreams_.size() ? upstreams_[place].get() : nullptr;
  }

  std::uint64_t ask(std::string_view server, Upstream::Ask ask) {
    const std::uint64_t number = ++last_number_;
    const std::size_t place = place_of(server);
    if (place >= upstreams_.size() || ended_) {
      UpstreamFailure failure =
          ended_ && place < upstreams_.size()
              ? cancelled(configuration_.upstreams[place], shown_request(ask.method, ask.params))
              : unknown_server(server, configuration_);
      later_.call([done = std::move(ask.done), failure = std::move(failure)] {
        done({nullptr, failure});
      });
      return number;
    }
    where_[number] = place;
    ask.done = [this, number, done = std::move(ask.done)](UpstreamAnswer answer) {
      where_.erase(number);
      done(std::move(answer));
    };
    upstreams_[place]->ask(number, std::move(ask));
    return number;
  }

  void cancel(std::uint64_t number) {
    const auto found = where_.find(number);
    if (found != where_.end()) upstreams_[found->second]->cancel(number);
  }

  void declare(Json capabilities) { settings_.capabilities = std::move(capabilities); }

  void listen(ToolsListed listener) { tools_listed_ = std::move(listener); }

  std::vector<std::string> running_names() const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < upstreams_.size(); ++i) {
      if (upstreams_[i]->is_running()) names.push_back(configuration_.upstreams[i].name);
    }
    return names;
  }

  Json describe() const {
    Json all = Json::array();
    for (const auto& each : upstreams_) all.push_back(each->describe());
    return all;
  }

  void end(std::chrono::milliseconds deadline, std::function<void()> done) {
    CHECK(!ended_);
    ended_ = true;
    when_ended_ = std::move(done);
    left_ = upstreams_.size();
    end_deadline_.start(deadline);
    if (left_ == 0) later_.call([this] { end_now(); });
    for (const auto& each : upstreams_) {
      each->end([this] {
        if (--left_ == 0) end_now();
      });
    }
  }

 private:
  // What is left by now ends when it is destroyed.
  void end_now() {
    end_deadline_.stop();
    if (const auto done = std::exchange(when_ended_, nullptr)) done();
  }

  const UpstreamConfiguration configuration_;
  UpstreamSettings settings_;
  ToolsListed tools_listed_;
  std::unordered_map<std::uint64_t, std::size_t> where_;
  std::uint64_t last_number_ = 0;
  bool ended_ = false;
  std::size_t left_ = 0;
  std::function<void()> when_ended_;
  Later later_;
  Timer end_deadline_;
  std::vector<std::unique_ptr<Upstream>> upstreams_;  // as the definitions
};

Upstreams::Upstreams(EventLoop& loop, UpstreamConfiguration configuration,
                     UpstreamSettings settings)
    : impl_(std::make_unique<Impl>(loop, std::move(configuration), std::move(settings))) {}

Upstreams::~Upstreams() = default;

const UpstreamConfiguration& Upstreams::configuration() const { return impl_->configuration(); }

const std::vector<UpstreamDefinition>& Upstreams::definitions() const {
  return impl_->configuration().upstreams;
}

const std::vector<std::string>& Upstreams::warnings() const {
  return impl_->configuration().warnings;
}

const UpstreamDefinition* Upstreams::find(std::string_view name_or_alias) const {
  const std::size_t place = impl_->place_of(name_or_alias);
  return place < definitions().size() ? &definitions()[place] : nullptr;
}

void Upstreams::declare(Json capabilities) { impl_->declare(std::move(capabilities)); }

std::uint64_t Upstreams::request(UpstreamRequest request, Done done) {
  Upstream::Ask ask{Upstream::Ask::What::Request, std::move(request.method),
                    std::move(request.params),    request.timeout,
                    std::move(request.progress),  std::move(done)};
  ask.questions = std::move(request.questions);
  return impl_->ask(request.server, std::move(ask));
}

std::uint64_t Upstreams::call_tool(std::string_view server, std::string_view tool, Json arguments,
                                   std::chrono::milliseconds timeout, Done done,
                                   decltype(UpstreamRequest::progress) progress) {
  Json params = Json::object();
  params["name"] = tool;
  params["arguments"] = std::move(arguments);
  return impl_->ask(server, {Upstream::Ask::What::Request, "tools/call", std::move(params), timeout,
                             std::move(progress), std::move(done)});
}

std::uint64_t Upstreams::list(std::string_view server, std::string_view method,
                              std::chrono::milliseconds timeout, Done done) {
  return impl_->ask(server, {Upstream::Ask::What::List,
                             std::string(method),
                             Json::object(),
                             timeout,
                             {},
                             std::move(done)});
}

std::uint64_t Upstreams::start(std::string_view server, Done done) {
  return impl_->ask(server, {Upstream::Ask::What::Start,
                             "the start",
                             Json::object(),
                             std::chrono::milliseconds(0),
                             {},
                             std::move(done)});
}

void Upstreams::cancel(std::uint64_t id) { impl_->cancel(id); }

bool Upstreams::running(std::string_view server) const {
  const Upstream* const found = impl_->find(server);
  return found != nullptr && found->is_running();
}

std::vector<std::string> Upstreams::running_names() const { return impl_->running_names(); }

void Upstreams::on_tools(ToolsListed listener) { impl_->listen(std::move(listener)); }

Json Upstreams::describe() const { return impl_->describe(); }

void Upstreams::end(std::chrono::milliseconds deadline, std::function<void()> done) {
  impl_->end(deadline, std::move(done));
}

}  // namespace pyember::host
