#include "host/upstream/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <unordered_map>

#include "base/limits.h"
#include "host/loop/uv_handle.h"
#include "host/upstream/call_out.h"
#include "host/upstream/http_library.h"

// libcurl's multi interface is driven by our loop: it tells which sockets it waits for and when it
// wants to be called (set_socket, set_timer), and we call it then (act).
//
// What libcurl calls back may not call it again, but owners of exchanges will, when they answer a
// message with the next request or drop another one. So its callbacks only write into the exchange
// what came, and everything is told afterwards, once act() has come back from libcurl (tell).

namespace pyember::host {

namespace {

bool token_character(unsigned char letter) {
  return std::isalnum(letter) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(letter)) !=
             std::string_view::npos;
}

std::string lower(std::string_view text) {
  std::string copy(text);
  std::transform(copy.begin(), copy.end(), copy.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return copy;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

std::string_view HttpHead::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::string HttpHead::media_type() const {
  const std::string_view type = header("content-type");
  return lower(trimmed(type.substr(0, type.find(';'))));
}

bool valid_http_header(std::string_view name, std::string_view value) {
  return !name.empty() && std::all_of(name.begin(), name.end(), token_character) &&
         std::none_of(value.begin(), value.end(), [](unsigned char letter) {
           return (letter < ' ' && letter != '\t') || letter == 0x7f;
         });
}

// --- an exchange
// -----------------------------------------------------------------------------------

namespace {

class Exchange;

// What an exchange needs of the client: a place in its list of those that have something to tell.
struct Telling {
  std::vector<Exchange*> exchanges;

  void add(Exchange* exchange) {
    if (std::find(exchanges.begin(), exchanges.end(), exchange) == exchanges.end()) {
      exchanges.push_back(exchange);
    }
  }
  void remove(Exchange* exchange) { std::erase(exchanges, exchange); }
};

class Exchange final : public HttpExchange {
 public:
  Exchange(const HttpLibrary& curl, CURLM* multi, Telling& telling, HttpRequest request,
           Owner& owner)
      : curl_(curl),
        multi_(multi),
        telling_(telling),
        request_(std::move(request)),
        owner_(owner),
        easy_(curl.easy_init()) {
    CHECK(easy_ != nullptr);
    set_request();
    set_answer();
    set_manners();
    CHECK(curl_.multi_add_handle(multi_, easy_) == CURLM_OK);
  }
  ~Exchange() override {
    telling_.remove(this);
    curl_.multi_remove_handle(multi_, easy_);
    curl_.easy_cleanup(easy_);
    curl_.slist_free_all(headers_);
  }

  void ended(CURLcode code) {
    ended_ = true;
    if (code != CURLE_OK) failure_ = failure(code);
    telling_.add(this);
  }

  // Tells the owner what has come; the exchange may be gone afterwards.
  void tell() {
    CallOut call(life_);
    if (std::exchange(head_untold_, false)) {
      owner_.http_head(head_);
      if (call.gone()) return;
    }
    if (!body_.empty()) {
      const std::string body = std::exchange(body_, {});
      owner_.http_body(body);
      if (call.gone()) return;
    }
    if (std::exchange(ended_, false)) owner_.http_ended(failure_);
  }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    // What an older library does not know is refused, and does without.
    curl_.easy_setopt(easy_, option, value);
  }

  void set_request() {
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    if (request_.method == "POST") {
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
      set(CURLOPT_POSTFIELDS, request_.body.c_str());  // stays ours, and is sent from there
    }
    add_header("Expect:");  // no round trip before a large body
    add_header("User-Agent: pyember/" PYEMBER_VERSION);
    for (const auto& [name, value] : request_.headers) {
      CHECK(valid_http_header(name, value));
      // The library leaves "Name:" out and sends "Name;" as an empty one.
      add_header(value.empty() ? name + ";" : fmt::format("{}: {}", name, value));
    }
    set(CURLOPT_HTTPHEADER, headers_);
  }
  void add_header(const std::string& line) {
    headers_ = curl_.slist_append(headers_, line.c_str());
    CHECK(headers_ != nullptr);
  }

  void set_answer() {
    set(CURLOPT_PRIVATE, this);
    set(CURLOPT_ERRORBUFFER, error_);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_HEADERFUNCTION,
        static_cast<curl_write_callback>([](char* data, std::size_t, std::size_t size, void* self) {
          return static_cast<Exchange*>(self)->take_header({data, size});
        }));
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_WRITEFUNCTION,
        static_cast<curl_write_callback>([](char* data, std::size_t, std::size_t size, void* self) {
          return static_cast<Exchange*>(self)->take_body({data, size});
        }));
  }

  void set_manners() {
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits::kHttpConnectTimeout.count()));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
    if (const char* authorities = std::getenv("SSL_CERT_FILE"); authorities != nullptr) {
      if (*authorities != '\0') set(CURLOPT_CAINFO, authorities);
    }
  }

  // A line of the head, or of what follows a body in pieces (which is of no use to us).
  std::size_t take_header(std::string_view line) {
    if (head_done_) return line.size();
    header_bytes_ += line.size();
    if (header_bytes_ > limits::kHttpHeaderBytes) return 0;  // ends it with CURLE_WRITE_ERROR
    const std::string_view text = trimmed(line);
    if (text.starts_with("HTTP/")) {
      head_ = {};  // an earlier one was interim
      const std::size_t space = text.find(' ');
      if (space != std::string_view::npos) {
        std::from_chars(text.data() + space + 1, text.data() + text.size(), head_.status);
      }
    } else if (text.empty()) {
      head_done_ = head_untold_ = head_.status >= 200;
      telling_.add(this);
    } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
      head_.headers.emplace_back(lower(text.substr(0, colon)), trimmed(text.substr(colon + 1)));
    }
    return line.size();
  }

  std::size_t take_body(std::string_view bytes) {
    body_ += bytes;
    telling_.add(this);
    return bytes.size();
  }

  Error failure(CURLcode code) const {
    if (code == CURLE_WRITE_ERROR && header_bytes_ > limits::kHttpHeaderBytes) {
      return {
          ErrorCode::LimitReached,
          fmt::format("The head of its answer is longer than {} bytes.", limits::kHttpHeaderBytes)};
    }
    std::string what = error_[0] != '\0' ? error_ : curl_.easy_strerror(code);
    return {ErrorCode::Unavailable, std::move(what)};
  }

  const HttpLibrary& curl_;
  CURLM* const multi_;
  Telling& telling_;
  const HttpRequest request_;
  Owner& owner_;
  CURL* const easy_;
  curl_slist* headers_ = nullptr;
  char error_[CURL_ERROR_SIZE] = {};
  HttpHead head_;
  std::size_t header_bytes_ = 0;
  bool head_done_ = false;
  bool head_untold_ = false;
  std::string body_;  // came and was not told yet
  bool ended_ = false;
  std::optional<Error> failure_;
  CallOut::Life life_;
};

}  // namespace

// --- the client
// ------------------------------------------------------------------------------------

class HttpClient::Impl {
 public:
  Impl(EventLoop& loop, const HttpLibrary& curl)
      : loop_(loop),
        curl_(curl),
        multi_(curl.multi_init()),
        timer_(loop, [this] { act(CURL_SOCKET_TIMEOUT, 0); }) {
    CHECK(multi_ != nullptr);
    set(CURLMOPT_SOCKETDATA, this);
    set(CURLMOPT_SOCKETFUNCTION, &Impl::set_socket);
    set(CURLMOPT_TIMERDATA, this);
    set(CURLMOPT_TIMERFUNCTION, &Impl::set_timer);
    set(CURLMOPT_MAX_TOTAL_CONNECTIONS, static_cast<long>(limits::kHttpConnections));
  }
  ~Impl() {
    CHECK(telling_.exchanges.empty());
    curl_.multi_cleanup(multi_);  // closes connections, and calls set_socket for them
  }

  std::unique_ptr<HttpExchange> start(HttpRequest request, HttpExchange::Owner& owner) {
    return std::make_unique<Exchange>(curl_, multi_, telling_, std::move(request), owner);
  }

 private:
  // A socket of libcurl's that it waits for.
  class Socket {
   public:
    Socket(Impl& client, curl_socket_t fd) : client_(client), fd_(fd), handle_(client.loop_) {
      CHECK(uv_poll_init_socket(client.loop_.raw(), handle_.get(), fd) == 0);
      handle_.opened(this);
    }
    void wait_for(int what) {
      const int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                         ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
      uv_poll_start(handle_.get(), events, [](uv_poll_t* poll, int status, int ready) {
        // The socket may be given up while this acts: what is used afterwards is not its own.
        auto* const socket = static_cast<Socket*>(poll->data);
        Impl& client = socket->client_;
        const curl_socket_t fd = socket->fd_;
        client.act(fd, status < 0 ? CURL_CSELECT_ERR
                                  : ((ready & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
                                        ((ready & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0));
      });
    }

   private:
    Impl& client_;
    const curl_socket_t fd_;
    UvHandle<uv_poll_t> handle_;
  };

  template <typename Value>
  void set(CURLMoption option, Value value) {
    CHECK(curl_.multi_setopt(multi_, option, value) == CURLM_OK);
  }

  static int set_socket(CURL*, curl_socket_t fd, int what, void* self, void*) noexcept {
    auto& sockets = static_cast<Impl*>(self)->sockets_;
    if (what == CURL_POLL_REMOVE) {
      sockets.erase(fd);  // before libcurl closes it, and the number is another's
      return 0;
    }
    std::unique_ptr<Socket>& socket = sockets[fd];
    if (socket == nullptr) socket = std::make_unique<Socket>(*static_cast<Impl*>(self), fd);
    socket->wait_for(what);
    return 0;
  }

  static int set_timer(CURLM*, long milliseconds, void* self) noexcept {
    Timer& timer = static_cast<Impl*>(self)->timer_;
    if (milliseconds < 0) {
      timer.stop();
    } else {
      timer.start(std::chrono::milliseconds(milliseconds));
    }
    return 0;
  }

  void act(curl_socket_t fd, int events) {
    int running = 0;
    curl_.multi_socket_action(multi_, fd, events, &running);
    int left = 0;
    while (CURLMsg* message = curl_.multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      exchange_of(message->easy_handle)->ended(code);
    }
    tell();
  }

  Exchange* exchange_of(CURL* easy) const {
    Exchange* exchange = nullptr;
    CHECK(curl_.easy_getinfo(easy, CURLINFO_PRIVATE, &exchange) == CURLE_OK);
    CHECK(exchange != nullptr);
    return exchange;
  }

  void tell() {
    CallOut call(life_);
    while (!call.gone() && !telling_.exchanges.empty()) {
      Exchange* const exchange = telling_.exchanges.front();
      telling_.remove(exchange);
      exchange->tell();
    }
  }

  EventLoop& loop_;
  const HttpLibrary& curl_;
  CURLM* const multi_;
  Timer timer_;
  std::unordered_map<curl_socket_t, std::unique_ptr<Socket>> sockets_;
  Telling telling_;
  CallOut::Life life_;
};

HttpClient::HttpClient(EventLoop& loop) {
  CHECK(http_library().ok());
  impl_ = std::make_unique<Impl>(loop, http_library().value());
}

HttpClient::~HttpClient() = default;

std::unique_ptr<HttpExchange> HttpClient::start(HttpRequest request, HttpExchange::Owner& owner) {
  return impl_->start(std::move(request), owner);
}

}  // namespace pyember::host
