#include "host/workers/workers.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "host/workers/boundary_files.h"
#include "host/workers/import_habits.h"
#include "host/workers/process_session.h"
#include "host/workers/worker_groups.h"
#include "host/workers/zygote.h"

namespace pyember::host {

namespace {

constexpr std::chrono::milliseconds kLastEndDeadline{1000};
constexpr std::chrono::milliseconds kLastCleanUp{5000};  // of control groups, where there are some

}  // namespace

class Workers::Impl {
 public:
  Impl(EventLoop& loop, Settings settings)
      : loop_(loop),
        settings_(std::move(settings)),
        bury_(loop, [this] { bury(); }),
        replenish_(loop, [this] { replenish(); }) {}

  // The zygote of a place, one that takes orders; null after the end.
  Zygote* zygote(const WorkerPlace& place) {
    if (over_) return nullptr;
    Known& known = known_place(place);
    if (known.zygote && known.zygote->usable()) return known.zygote.get();
    if (known.zygote) ending_.push_back(std::move(known.zygote));
    known.zygote = make_zygote(place, known.preloaded);
    if (known.stays) known.zygote->stay();
    return known.zygote.get();
  }

  // A zygote of a session's own, behind a boundary; a spare one when there is one of that place and
  // the session has no limits of its own. Given back with finish_bounded(). Null after the end.
  Zygote* bounded_zygote(const WorkerPlace& place, const WorkerLimits& limits) {
    if (over_) return nullptr;
    std::unique_ptr<Zygote> taken;
    if (limits == settings_.boundaries->limits(place.boundary)) {
      taken = take_spare(place);
      wanted_spare_ = place;
      replenish_.start(limits::kBoundedSpareDelay);
    }
    if (!taken) taken = make_zygote(place, {}, limits);
    taken->stay();  // until it is given back
    bounded_.push_back(std::move(taken));
    return bounded_.back().get();
  }

  void finish_bounded(Zygote* zygote) {
    const auto found = std::find_if(bounded_.begin(), bounded_.end(),
                                    [zygote](const auto& each) { return each.get() == zygote; });
    if (found == bounded_.end()) return;
    zygote->finish();
    ending_.push_back(std::move(*found));
    bounded_.erase(found);
  }

  void warm(const WorkerPlace& place) {
    if (over_) return;
    if (place.boundary != Boundary::None) {
      wanted_spare_ = place;
      return replenish();
    }
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

  std::unique_ptr<ProcessSession::Source> source(const WorkerPlace& place,
                                                 const WorkerLimits& limits) {
    if (place.boundary == Boundary::None) return std::make_unique<Source>(*this, place);
    return std::make_unique<BoundedSource>(std::make_shared<BoundedZygote>(*this, place, limits));
  }

  // What a session that is given `wanted` may use behind a boundary.
  WorkerLimits bounded_limits(Boundary boundary, const WorkerLimits& wanted) const {
    WorkerLimits limits = settings_.boundaries->limits(boundary);
    const auto lower = [](auto& most, const auto& wish) {
      if (wish && (!most || *wish < *most)) most = wish;
    };
    lower(limits.memory_bytes, wanted.memory_bytes);
    lower(limits.processes, wanted.processes);
    return limits;
  }

  EventLoop& loop() { return loop_; }

  void end(std::chrono::milliseconds deadline) {
    over_ = true;
    std::vector<Zygote*> left;
    for (auto& [place, known] : places_) {
      if (known.zygote) left.push_back(known.zygote.get());
    }
    for (auto* zygotes : {&ending_, &bounded_, &spares_}) {
      for (auto& zygote : *zygotes) left.push_back(zygote.get());
    }
    for (Zygote* zygote : left) zygote->kill_now();
    const auto give_up_at = std::chrono::steady_clock::now() + deadline;
    for (;;) {
      std::erase_if(left, [](Zygote* zygote) { return zygote->reap(); });
      if (left.empty() || std::chrono::steady_clock::now() > give_up_at) break;
      usleep(1000);
    }
    // What a runtime does for a container that was killed may take it a moment.
    const auto forget_at = std::chrono::steady_clock::now() + kLastCleanUp;
    while (!WorkerGroups::remove_left_over() && std::chrono::steady_clock::now() < forget_at) {
      usleep(5000);
    }
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
    bool bounded() const override { return false; }
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

  // The zygote of one session behind a boundary, and of its copies; ends with the last of them.
  class BoundedZygote {
   public:
    BoundedZygote(Impl& workers, const WorkerPlace& place, const WorkerLimits& limits)
        : workers_(workers), zygote_(workers.bounded_zygote(place, limits)) {}
    ~BoundedZygote() { workers_.finish_bounded(zygote_); }
    BoundedZygote(const BoundedZygote&) = delete;
    BoundedZygote& operator=(const BoundedZygote&) = delete;

    Zygote* get() const { return zygote_; }

   private:
    Impl& workers_;
    Zygote* const zygote_;
  };

  class BoundedSource final : public ProcessSession::Source {
   public:
    explicit BoundedSource(std::shared_ptr<BoundedZygote> zygote) : zygote_(std::move(zygote)) {}

    // It is not replaced: a session whose zygote has gone is lost, and told why.
    Zygote* zygote() override {
      Zygote* zygote = zygote_->get();
      return zygote != nullptr && !zygote->is_gone() ? zygote : nullptr;
    }
    void packages_changed(const WorkerPlace&) override {}
    void code_given(std::string_view) override {}
    bool bounded() const override { return true; }
    std::unique_ptr<ProcessSession::Source> of_copy() const override {
      return std::make_unique<BoundedSource>(zygote_);
    }

   private:
    const std::shared_ptr<BoundedZygote> zygote_;
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

  std::unique_ptr<Zygote> make_zygote(const WorkerPlace& place,
                                      const std::vector<std::string>& preloaded,
                                      const WorkerLimits& limits = {}) {
    return std::make_unique<Zygote>(loop_,
                                    Zygote::Settings{place, settings_.runtime_directory, preloaded,
                                                     settings_.boundaries, limits},
                                    [this] { bury_.start(std::chrono::milliseconds(0)); });
  }

  // Null: there is none.
  std::unique_ptr<Zygote> take_spare(const WorkerPlace& place) {
    const auto spare = std::find_if(spares_.begin(), spares_.end(), [&place](const auto& each) {
      return each->usable() && each->place() == place;
    });
    if (spare == spares_.end()) return nullptr;
    std::unique_ptr<Zygote> taken = std::move(*spare);
    spares_.erase(spare);
    return taken;
  }

  // Has a zygote ready for the next session of the place that was used last.
  void replenish() {
    if (over_ || !wanted_spare_) return;
    std::erase_if(spares_, [this](auto& each) {
      if (each->usable() && each->place() == *wanted_spare_) return false;
      each->finish();
      ending_.push_back(std::move(each));
      return true;
    });
    while (spares_.size() < settings_.bounded_spares) {
      spares_.push_back(
          make_zygote(*wanted_spare_, {}, settings_.boundaries->limits(wanted_spare_->boundary)));
    }
  }

  void bury() {
    for (auto& [place, known] : places_) {
      if (known.zygote && known.zygote->is_gone()) known.zygote.reset();
    }
    const auto is_gone = [](const auto& zygote) { return zygote->is_gone(); };
    std::erase_if(ending_, is_gone);
    // One that could not even begin is not tried again before a session asks for it.
    if (std::erase_if(spares_, is_gone) != 0) wanted_spare_.reset();
    if (places_.size() <= limits::kRememberedPlaces) return;
    std::erase_if(places_, [](const auto& entry) { return !entry.second.zygote; });
  }

  EventLoop& loop_;
  const Settings settings_;
  bool over_ = false;
  std::uint64_t last_worker_ = 0;
  std::map<WorkerPlace, Known> places_;
  std::vector<std::unique_ptr<Zygote>> ending_;
  std::vector<std::unique_ptr<Zygote>> bounded_;  // in use
  std::vector<std::unique_ptr<Zygote>> spares_;
  std::optional<WorkerPlace> wanted_spare_;
  Timer bury_;
  Timer replenish_;
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
  order.saved_tools = options.saved_tools;
  if (place.boundary != Boundary::None) {
    const WorkerLimits room = impl_->bounded_limits(place.boundary, limits);
    order.limits.memory_bytes = room.memory_bytes;
    auto source = impl_->source(place, room);
    const Zygote* zygote = source->zygote();
    const bool has_room = zygote != nullptr && zygote->room();
    order.folder = has_room ? zygote->room()->folder() : kBoundedFolder;
    order.working_directory = order.folder;
    return std::make_unique<ProcessSession>(impl_->loop(), std::move(source), std::move(order),
                                            listener);
  }
  return std::make_unique<ProcessSession>(impl_->loop(), impl_->source(place, {}), std::move(order),
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
