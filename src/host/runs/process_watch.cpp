#include "host/runs/process_watch.h"

#include <unistd.h>

#include <utility>

namespace pyember::host {

ProcessWatch::ProcessWatch(EventLoop& loop, const ProcessIdentity& process,
                           std::function<void()> ended)
    : pidfd_(open_process(process)) {
  if (pidfd_ < 0) return;
  poll_ = std::make_unique<Poll>(loop, pidfd_, [this, ended = std::move(ended)](int) {
    poll_->stop();
    const auto callback = ended;  // which may destroy this
    callback();
  });
  if (!poll_->valid()) {
    poll_.reset();
    return;
  }
  poll_->start(UV_READABLE);
}

ProcessWatch::~ProcessWatch() {
  poll_.reset();  // before its descriptor
  if (pidfd_ >= 0) close(pidfd_);
}

}  // namespace pyember::host
