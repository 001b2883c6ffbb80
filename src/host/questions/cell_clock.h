#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "base/limits.h"

namespace pyember::host {

// The timeout of one cell, which stands still while the cell has a question open: a person's time
// to answer is not the code's. All its questions together hold it for limits::kHeldForQuestions at
// most, so that code which works on behind a question does not run for ever.
//
// Shared by the cell's permit and its open questions; loop's thread only.
class CellClock {
 public:
  // Moves the cell's deadline; nothing, when the cell is over.
  using Move = std::function<void(std::chrono::nanoseconds by)>;
  explicit CellClock(Move move) : move_(std::move(move)) {}

  // It stands still as long as one of these lives.
  class Hold {
   public:
    Hold() = default;
    explicit Hold(std::shared_ptr<CellClock> clock) : clock_(std::move(clock)) {
      if (clock_ && clock_->holds_++ == 0) clock_->stop();
    }
    Hold(Hold&&) noexcept = default;
    Hold& operator=(Hold&& other) noexcept {
      std::swap(clock_, other.clock_);
      return *this;
    }
    ~Hold() {
      if (clock_ && --clock_->holds_ == 0) clock_->go();
    }

   private:
    std::shared_ptr<CellClock> clock_;
  };

 private:
  using Clock = std::chrono::steady_clock;

  void stop() {
    stopped_ = Clock::now();
    move_(left_);
  }
  void go() {
    const std::chrono::nanoseconds waited =
        std::min<std::chrono::nanoseconds>(Clock::now() - stopped_, left_);
    move_(waited - left_);
    left_ -= waited;
  }

  const Move move_;
  std::size_t holds_ = 0;
  Clock::time_point stopped_{};
  std::chrono::nanoseconds left_ = limits::kHeldForQuestions;
};

}  // namespace pyember::host
