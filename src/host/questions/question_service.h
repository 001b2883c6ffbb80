#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "host/loop/event_loop.h"
#include "host/loop/uv_handle.h"
#include "host/questions/cell_clock.h"
#include "host/upstream/call_service.h"
#include "mcp/question.h"

namespace pyember::host {

// What the code of a cell asks of whoever is behind the client that runs it (docs/questions.md):
// the operations `ask`, `sample` and `roots` of the calls channel. Each is shown by the client's
// call that the cell is run for, and says who asks; one that nobody answers in time is withdrawn.
//
// Nothing is asked for cells that no client waits for. Owned by the App; loop's thread only.
class QuestionService final : public CallService {
 public:
  explicit QuestionService(EventLoop& loop) : loop_(loop) {}
  QuestionService(const QuestionService&) = delete;
  QuestionService& operator=(const QuestionService&) = delete;

  static bool serves(std::string_view op);

  std::uint64_t serve(const std::shared_ptr<RunPermit>& permit, CallOrder order,
                      Done done) override;

  // The same for whoever else works for the run. `done` is called once, perhaps before this returns
  // (0 is returned then), unless it was cancelled.
  enum class End {
    Settled,  // answered, refused, or nobody could be asked
    Late,     // nobody answered in time
  };
  using Asked = std::function<void(Result<mcp::Answer>, End)>;
  std::uint64_t ask(const std::shared_ptr<RunPermit>& permit, mcp::InputRequest request,
                    std::chrono::milliseconds time, Asked done);

  void cancel(std::uint64_t id) override;

 private:
  // A question that is open.
  struct Open {
    Asked done;
    std::weak_ptr<mcp::ToolCall> client;
    std::uint64_t question = 0;  // its number there
    CellClock::Hold hold = {};
    std::unique_ptr<Timer> deadline = {};
  };

  std::unique_ptr<Open> take(std::uint64_t id);
  void unanswered(std::uint64_t id, std::chrono::milliseconds waited);
  void answered(std::uint64_t id, Result<mcp::Answer> answer);

  EventLoop& loop_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  std::map<std::uint64_t, std::unique_ptr<Open>> open_;
  std::uint64_t last_ = 0;
};

}  // namespace pyember::host
