#include "http_module/served_request.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "http_module/connection.h"

namespace pyember::http_module {

namespace {

// Of a refused body that had not said how large it is (chunked) so much is read and thrown away,
// for the client to see the answer; then it is cut off.
constexpr std::size_t kSwallowedBytes = 4u << 20;

std::string too_large(std::size_t most) {
  return fmt::format("The request's body is too large: at most {} bytes are taken.", most);
}

}  // namespace

ServedRequest::ServedRequest(RequestHost& host, Connection& connection, std::string_view target)
    : host_(host), connection_(connection), target_(parse_target(target)) {
  connection_.began(*this);
}

ServedRequest::~ServedRequest() {
  host_.give_memory_back(memory_);
  if (stream_) host_.stream_is_over();
  connection_.ended();
}

MHD_Result ServedRequest::advance(const char* method, const char* version, const char* part,
                                  std::size_t* size) {
  if (given_up_ || host_.is_over()) return MHD_NO;
  switch (phase_) {
    case Phase::Head:
      return begin(method, version);
    case Phase::Body:
      return *size > 0 ? take(part, size) : hand_over();
    case Phase::Waiting:
      return go_on();
    case Phase::Responding:
      return MHD_YES;
  }
  return MHD_NO;
}

MHD_Result ServedRequest::begin(const char* method, const char* version) {
  phase_ = Phase::Body;
  method_ = method;
  head_.read(connection_.raw());
  if (connection_.head_size() > host_.head_bytes()) {
    return queue(MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
                 refusal(fmt::format("The request's head is too large: at most {} bytes are taken.",
                                     host_.head_bytes())));
  }
  if (const std::optional<HeadRefusal> refused = refuse_head(head_, {method_, target_, version})) {
    return queue(refused->status, refusal(refused->why));
  }
  const std::uint64_t announced = content_length(head_).value_or(0);
  if (announced > host_.body_bytes()) {
    body_refused_ = MHD_HTTP_CONTENT_TOO_LARGE;
    return refuse_body();
  }
  return MHD_YES;
}

MHD_Result ServedRequest::refuse_body() {
  if (body_refused_ == MHD_HTTP_CONTENT_TOO_LARGE) {
    return queue(body_refused_, refusal(too_large(host_.body_bytes())));
  }
  ResponsePtr response =
      refusal("The server holds as many requests as it can. Send this one again in a while.");
  if (response) add_fields(*response, {{"Retry-After", "1"}});
  return queue(body_refused_, std::move(response));
}

MHD_Result ServedRequest::take(const char* part, std::size_t* size) {
  const std::size_t n = std::exchange(*size, 0);
  if (body_refused_ == 0) {
    if (body_.size() + n > host_.body_bytes()) {
      body_refused_ = MHD_HTTP_CONTENT_TOO_LARGE;
    } else if (!host_.take_memory(n)) {
      body_refused_ = MHD_HTTP_SERVICE_UNAVAILABLE;
    } else {
      memory_ += n;
      body_.append(part, n);
      return MHD_YES;
    }
    body_ = {};
    host_.give_memory_back(std::exchange(memory_, 0));
  }
  swallowed_ += n;
  return swallowed_ > kSwallowedBytes ? MHD_NO : MHD_YES;
}

// The handler may answer at once, or keep the exchange; then the connection stands still.
MHD_Result ServedRequest::hand_over() {
  phase_ = Phase::Waiting;
  if (body_refused_ != 0) return refuse_body();
  mcp::HttpRequest request;
  request.method = method_;
  request.path = std::move(target_.path);
  request.query = std::move(target_.query);
  request.body = std::move(body_);
  request.peer = connection_.peer();
  request.tls = host_.is_tls();
  host_.handle(std::make_shared<ServedExchange>(*this, std::move(request)));
  return go_on();
}

MHD_Result ServedRequest::go_on() {
  suspended_ = false;
  if (given_up_) return MHD_NO;
  if (answer_) return queue(status_, std::move(answer_));
  if (connection_.peer_has_left()) {
    give_up();
    return MHD_NO;
  }
  suspended_ = true;
  MHD_suspend_connection(&connection_.raw());
  return MHD_YES;
}

MHD_Result ServedRequest::queue(int status, ResponsePtr response) {
  phase_ = Phase::Responding;
  head_.forget();
  if (!response) return MHD_NO;
  if (host_.closes_connections()) close_afterwards(*response);
  connection_.progressed();
  host_.responds(status);
  return MHD_queue_response(&connection_.raw(), static_cast<unsigned>(status), response.get());
}

void ServedRequest::answer(int status, ResponsePtr response) {
  status_ = status;
  answer_ = std::move(response);
  if (!answer_) given_up_ = true;  // no memory: the connection is closed
  resume();
}

void ServedRequest::abandoned() {
  exchange_ = nullptr;
  if (stream_) {
    stream_->end(BodyStream::State::Broken);
    host_.run_soon();
  } else if (phase_ == Phase::Waiting && !answer_) {
    answer(MHD_HTTP_INTERNAL_SERVER_ERROR,
           refusal("The server let go of the request without an answer. Send it again."));
  }
}

void ServedRequest::resume() {
  if (!suspended_) return;
  suspended_ = false;
  MHD_resume_connection(&connection_.raw());
  host_.run_soon();
}

void ServedRequest::give_up() {
  given_up_ = true;
  if (stream_) stream_->end(BodyStream::State::Broken);
  resume();
  host_.run_soon();
  if (exchange_ != nullptr) std::exchange(exchange_, nullptr)->leave(true);
}

void ServedRequest::finish(bool whole) {
  if (stream_) stream_->leave();
  if (exchange_ != nullptr) std::exchange(exchange_, nullptr)->leave(!whole);
}

ServedExchange::ServedExchange(ServedRequest& served, mcp::HttpRequest request)
    : served_(&served), request_(std::move(request)) {
  served.exchange_ = this;
  request_.header = [this](std::string_view name) {
    return served_ == nullptr ? std::nullopt : served_->head_.find(name);
  };
}

ServedExchange::~ServedExchange() {
  if (served_ != nullptr) served_->abandoned();
}

void ServedExchange::respond(int status, const mcp::HttpFields& fields, std::string&& body) {
  CHECK(!answered_);
  answered_ = true;
  ended_ = true;
  if (served_ == nullptr) return;
  ResponsePtr response = whole_response(std::move(body));
  if (response) add_fields(*response, fields);
  served_->answer(status, std::move(response));
}

void ServedExchange::begin_stream(int status, const mcp::HttpFields& fields) {
  CHECK(!answered_);
  answered_ = true;
  if (served_ == nullptr) return;
  auto stream = std::make_shared<BodyStream>(&served_->connection_.raw());
  ResponsePtr response = BodyStream::response_of(stream);
  if (response) {
    add_fields(*response, fields);
    served_->stream_ = std::move(stream);
    served_->host_.stream_begins();
  }
  served_->answer(status, std::move(response));
}

void ServedExchange::write(std::string&& piece) {
  if (served_ == nullptr || !served_->stream_ || ended_) return;
  BodyStream& stream = *served_->stream_;
  if (stream.is_idle()) served_->connection_.progressed();
  stream.write(std::move(piece));
  if (stream.pending_bytes() > served_->host_.pending_bytes()) {
    stream.end(BodyStream::State::Broken);
    served_->connection_.cut();
  }
  served_->host_.run_soon();
}

void ServedExchange::end() {
  if (std::exchange(ended_, true) || served_ == nullptr || !served_->stream_) return;
  if (served_->stream_->is_idle()) served_->connection_.progressed();
  served_->stream_->end(BodyStream::State::Ended);
  served_->host_.run_soon();
}

std::size_t ServedExchange::pending_bytes() const {
  return served_ == nullptr || !served_->stream_ ? 0 : served_->stream_->pending_bytes();
}

void ServedExchange::leave(bool gone) {
  served_ = nullptr;
  gone_ = gone || !ended_;
  // The callback may let go of this exchange.
  const std::function<void()> callback = std::exchange(gone_callback_, nullptr);
  if (gone_ && callback) callback();
}

}  // namespace pyember::http_module
