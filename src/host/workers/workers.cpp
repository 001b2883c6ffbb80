#include "host/workers/workers.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "host/workers/process_session.h"
#include "host/workers/zygote.h"

namespace pyember::host {

namespace {

constexpr std::chrono::milliseconds kLastEndDeadline{1000};

std::string own_directory() {
  std::error_code gone;
  const std::filesystem::path here = std::filesystem::current_path(gone);
  return gone ? "/" : here.string();
}

}  // namespace

class Workers::Impl {
 public:
  Impl(EventLoop& loop, Settings settings)
      : loop_(loop), settings_(std::move(settings)), bury_(loop, [this] { bury(); }) {}

  // The zygote of a place, one that takes orders; null after the end.
  Zygote* zygote(const WorkerPlace& place) {
    if (over_) return nullptr;
    std::unique_ptr<Zygote>& present = zygotes_[place];
    if (present && present->usable()) return present.get();
    if (present) ending_.push_back(std::move(present));
    present = std::make_unique<Zygote>(loop_, place, settings_.runtime_directory,
                                       [this] { bury_.start(std::chrono::milliseconds(0)); });
    return present.get();
  }

  EventLoop& loop() { return loop_; }

  void end(std::chrono::milliseconds deadline) {
    over_ = true;
    std::vector<Zygote*> left;
    for (auto& [place, zygote] : zygotes_) left.push_back(zygote.get());
    for (auto& zygote : ending_) left.push_back(zygote.get());
    for (Zygote* zygote : left) zygote->kill_now();
    const auto give_up_at = std::chrono::steady_clock::now() + deadline;
    for (;;) {
      std::erase_if(left, [](Zygote* zygote) { return zygote->reap(); });
      if (left.empty() || std::chrono::steady_clock::now() > give_up_at) return;
      usleep(1000);
    }
  }

 private:
  void bury() {
    std::erase_if(zygotes_, [](const auto& entry) { return entry.second->is_gone(); });
    std::erase_if(ending_, [](const auto& zygote) { return zygote->is_gone(); });
  }

  EventLoop& loop_;
  const Settings settings_;
  bool over_ = false;
  std::map<WorkerPlace, std::unique_ptr<Zygote>> zygotes_;
  std::vector<std::unique_ptr<Zygote>> ending_;
  Timer bury_;
};

Workers::Workers(EventLoop& loop, Settings settings)
    : impl_(std::make_unique<Impl>(loop, std::move(settings))) {}

Workers::~Workers() { end(kLastEndDeadline); }

std::unique_ptr<embed::Session> Workers::open_session(const WorkerPlace& place,
                                                      const WorkerLimits& limits,
                                                      embed::SessionOptions options,
                                                      embed::SessionListener& listener) {
  ForkOrder order{std::move(options.name),   std::move(options.working_directory),
                  place.site_directories,    place.root,
                  std::move(options.folder), limits};
  return std::make_unique<ProcessSession>(
      impl_->loop(), [impl = impl_.get(), place] { return impl->zygote(place); }, std::move(order),
      listener);
}

void Workers::warm(const WorkerPlace& place) { impl_->zygote(place); }

void Workers::preload(const WorkerPlace& place, const std::vector<std::string>& modules) {
  if (Zygote* zygote = impl_->zygote(place)) zygote->preload(modules);
}

void Workers::end(std::chrono::milliseconds deadline) { impl_->end(deadline); }

}  // namespace pyember::host
