#include "host/questions/session_services.h"

#include <utility>

namespace pyember::host {

namespace {

// Ids tell by their highest bit whose they are.
constexpr std::uint64_t kQuestion = 1ull << 63;

}  // namespace

std::uint64_t SessionServices::serve(const std::shared_ptr<RunPermit>& permit, CallOrder order,
                                     Done done) {
  if (QuestionService::serves(order.op)) {
    const std::uint64_t id = questions_.serve(permit, std::move(order), std::move(done));
    return id == 0 ? 0 : id | kQuestion;
  }
  if (upstreams_ != nullptr) return upstreams_->serve(permit, std::move(order), std::move(done));
  done({{},
        CallError{"no_channel",
                  "No MCP server can be called from this session: the server was started without "
                  "upstreams (--no-upstreams). Do without, or have it started with them."}});
  return 0;
}

void SessionServices::cancel(std::uint64_t id) {
  if ((id & kQuestion) != 0) return questions_.cancel(id & ~kQuestion);
  if (upstreams_ != nullptr) upstreams_->cancel(id);
}

}  // namespace pyember::host
