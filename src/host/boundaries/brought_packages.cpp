#include "host/boundaries/brought_packages.h"

#include "host/boundaries/boundary_folder.h"

namespace pyember::host {

Result<WorkerPlace> BroughtPackages::bring(WorkerPlace place) {
  if (place.root.empty()) return place;
  const std::string name = "/" + std::to_string(++brought_);
  if (auto linked = link_tree(place.root, outside_ + name); !linked) return linked.error();
  const std::string root = inside_ + name;
  for (std::string& each : place.site_directories) {
    if (each.starts_with(place.root + "/")) each.replace(0, place.root.size(), root);
  }
  place.root = root;
  return place;
}

}  // namespace pyember::host
