#pragma once

#include <map>
#include <utility>
#include <vector>

#include "fake_runtime.h"
#include "host/session/session_rooms.h"

namespace pyember::host {

// Every session is one of the FakeRuntime's; environments are made when the test says so.
class FakeRooms final : public SessionRooms {
 public:
  explicit FakeRooms(FakeRuntime& runtime) : runtime_(runtime) {}

  std::unique_ptr<embed::Session> open_in_process(embed::SessionOptions options,
                                                  embed::SessionListener& listener) override {
    return runtime_.open_session(std::move(options), listener);
  }
  std::unique_ptr<embed::Session> open_worker(const WorkerPlace& place, const WorkerLimits& limits,
                                              embed::SessionOptions options,
                                              embed::SessionListener& listener) override {
    workers.emplace_back(place, limits);
    options.look_ahead = false;
    return runtime_.open_session(std::move(options), listener);
  }
  void change_packages(embed::Session&, const WorkerPlace& place) override {
    changed.push_back(place.site_directories);
  }
  std::unique_ptr<embed::Session> open_copy(embed::Session&, embed::SessionOptions options,
                                            embed::SessionListener& listener,
                                            Copied copied) override {
    copies.push_back(std::move(copied));
    return runtime_.open_session(std::move(options), listener);
  }
  void keep_copies(embed::Session&, std::size_t count) override { kept = count; }
  std::size_t copies_kept(const embed::Session&) const override { return kept; }
  void when_free(embed::Session&, std::function<void()> callback) override { callback(); }
  Result<embed::CellNumber> undo(embed::Session&, std::size_t, Copied) override {
    return Error{ErrorCode::Unavailable, "no copy of an earlier state is there"};
  }
  WorkerPlace own_place(Boundary boundary) const override {
    return {"/own/python", {}, {}, boundary};
  }
  std::uint64_t prepare(const SessionPlan& plan, Prepared done) override {
    preparing.emplace(++last_, std::pair{plan, std::move(done)});
    return last_;
  }
  void cancel(std::uint64_t request) override { preparing.erase(request); }

  // Answers the oldest request.
  void prepared(Result<WorkerPlace> place) {
    const auto done = std::move(preparing.begin()->second.second);
    preparing.erase(preparing.begin());
    if (!place) return done(place.error());
    done(PreparedPlace{place.take(), packages, nullptr});
  }

  std::vector<std::string> packages;  // of what is prepared
  std::vector<std::pair<WorkerPlace, WorkerLimits>> workers;
  std::vector<std::vector<std::string>> changed;
  std::vector<Copied> copies;  // to be told
  std::size_t kept = 0;
  std::map<std::uint64_t, std::pair<SessionPlan, Prepared>> preparing;

 private:
  FakeRuntime& runtime_;
  std::uint64_t last_ = 0;
};

}  // namespace pyember::host
