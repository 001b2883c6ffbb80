#include "host/loop/pool_work.h"

#include <memory>
#include <utility>

#include "base/check.h"

namespace pyember::host {

namespace {

struct PoolWork {
  uv_work_t request{};
  std::function<void()> work;
  std::function<void()> after;
};

}  // namespace

void run_in_pool(EventLoop& loop, std::function<void()> work, std::function<void()> after) {
  CHECK(loop.on_loop_thread());
  auto* owned = new PoolWork{{}, std::move(work), std::move(after)};
  owned->request.data = owned;
  CHECK(uv_queue_work(
            loop.raw(), &owned->request,
            [](uv_work_t* request) { static_cast<PoolWork*>(request->data)->work(); },
            [](uv_work_t* request, int) {
              const std::unique_ptr<PoolWork> done(static_cast<PoolWork*>(request->data));
              if (done->after) done->after();
            }) == 0);
}

}  // namespace pyember::host
