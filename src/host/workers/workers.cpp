#include "host/workers/workers.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/limits.h"
#include "host/workers/import_habits.h"
#include "host/workers/process_session.h"
#include "host/workers/worker_groups.h"
#include "host/workers/zygote.h"

namespace pyember::host {

namespace {

constexpr std::chrono::milliseconds kLastEndDeadline{1000};

}  // namespace

class Workers::Impl {
 public:
  Impl(EventLoop& loop, Settings settings)
      : loop_(loop), settings_(std::move(settings)), bury_(loop, [this] { bury(); }) {}

  // The zygote of a place, one that takes orders; null after the end.
  Zygote* zygote(const WorkerPlace& place) {
    if (over_) return nullptr;
    Known& known = known_place(place);
    if (known.zygote && known.zygote->usable()) return known.zygote.get();
    if (known.zygote) ending_.push_back(std::move(known.zygote));
    known.zygote = std::make_unique<Zygote>(
        loop_, Zygote::Settings{place, settings_.runtime_directory, known.preloaded},
        [this] { bury_.start(std::chrono::milliseconds(0)); });
    if (known.stays) known.zygote->stay();
    return known.zygote.get();
  }

  void warm(const WorkerPlace& place) {
    if (over_) return;
    known_place(place).stays = true;
    zygote(place)->stay();
  }

  void preload(const WorkerPlace& place, const std::vector<std::string>& modules) {
    Zygote* present = zygote(place);
    if (present == nullptr || modules.empty()) return;
    present->preload(modules);
    std::vector<std::string>& preloaded = known_place(place).preloaded;
    preloaded.insert(preloaded.end(), modules.begin(), modules.end());
  }

  // Worker number `worker` of this place was given some code.
  void code_given(const WorkerPlace& place, std::uint64_t worker, std::string_view code) {
    Known& known = known_place(place);
    std::vector<std::string> wanted = known.habits.look(worker, code);
    std::erase_if(wanted, [&known](const std::string& each) {
      return std::find(known.preloaded.begin(), known.preloaded.end(), each) !=
             known.preloaded.end();
    });
    if (!wanted.empty()) preload(place, wanted);
  }

  std::unique_ptr<ProcessSession::Source> source(const WorkerPlace& place) {
    return std::make_unique<Source>(*this, place);
  }

  EventLoop& loop() { return loop_; }

  void end(std::chrono::milliseconds deadline) {
    over_ = true;
    std::vector<Zygote*> left;
    for (auto& [place, known] : places_) {
      if (known.zygote) left.push_back(known.zygote.get());
    }
    for (auto& zygote : ending_) left.push_back(zygote.get());
    for (Zygote* zygote : left) zygote->kill_now();
    const auto give_up_at = std::chrono::steady_clock::now() + deadline;
    for (;;) {
      std::erase_if(left, [](Zygote* zygote) { return zygote->reap(); });
      if (left.empty() || std::chrono::steady_clock::now() > give_up_at) break;
      usleep(1000);
    }
    WorkerGroups::remove_left_over();
  }

 private:
  // The zygotes of one place. Each worker counts as somebody else who asks for packages.
  class Source final : public ProcessSession::Source {
   public:
    Source(Impl& workers, WorkerPlace place) : workers_(workers), place_(std::move(place)) {}

    Zygote* zygote() override {
      worker_ = ++workers_.last_worker_;
      packages_changed_ = false;
      return workers_.zygote(place_);
    }
    void packages_changed(const WorkerPlace& place) override {
      place_ = place;
      packages_changed_ = true;
    }
    std::unique_ptr<ProcessSession::Source> of_copy() const override {
      auto source = std::make_unique<Source>(workers_, place_);
      source->worker_ = ++workers_.last_worker_;
      source->packages_changed_ = packages_changed_;
      return source;
    }
    // What a worker imports from another place than its zygote's that one can't have ready.
    void code_given(std::string_view code) override {
      if (!packages_changed_) workers_.code_given(place_, worker_, code);
    }

   private:
    Impl& workers_;
    WorkerPlace place_;
    bool packages_changed_ = false;
    std::uint64_t worker_ = 0;
  };

  // What stays known of a place when its zygote has gone.
  struct Known {
    std::unique_ptr<Zygote> zygote;
    ImportHabits habits;
    std::vector<std::string> preloaded;  // by each of its zygotes
    bool stays = false;
  };

  Known& known_place(const WorkerPlace& place) {
    const auto [known, is_new] = places_.try_emplace(place);
    if (is_new) known->second.preloaded = settings_.preloaded;
    return known->second;
  }

  void bury() {
    for (auto& [place, known] : places_) {
      if (known.zygote && known.zygote->is_gone()) known.zygote.reset();
    }
    std::erase_if(ending_, [](const auto& zygote) { return zygote->is_gone(); });
    if (places_.size() <= limits::kRememberedPlaces) return;
    std::erase_if(places_, [](const auto& entry) { return !entry.second.zygote; });
  }

  EventLoop& loop_;
  const Settings settings_;
  bool over_ = false;
  std::uint64_t last_worker_ = 0;
  std::map<WorkerPlace, Known> places_;
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
  return std::make_unique<ProcessSession>(impl_->loop(), impl_->source(place), std::move(order),
                                          listener);
}

std::unique_ptr<embed::Session> Workers::open_copy(embed::Session& session,
                                                   embed::SessionOptions options,
                                                   embed::SessionListener& listener,
                                                   Copied copied) {
  return std::make_unique<ProcessSession>(dynamic_cast<ProcessSession&>(session),
                                          std::move(options), listener, std::move(copied));
}

void Workers::warm(const WorkerPlace& place) { impl_->warm(place); }

void Workers::preload(const WorkerPlace& place, const std::vector<std::string>& modules) {
  impl_->preload(place, modules);
}

void Workers::end(std::chrono::milliseconds deadline) { impl_->end(deadline); }

}  // namespace pyember::host
