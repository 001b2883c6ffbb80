#include "host/tools/benchmark_curve.h"

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "host/scripts/text_file.h"

namespace pyember::host {

using mcp::Json;

namespace {

struct Sample {
  double seconds = 0;
  double bytes = 0;
};

// The last line may have been cut off by a kill.
std::vector<Sample> parse(const std::string& text) {
  std::vector<Sample> samples;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    Sample sample;
    const std::string line = text.substr(begin, end - begin);
    if (std::sscanf(line.c_str(), "%lf %lf", &sample.seconds, &sample.bytes) == 2) {
      samples.push_back(sample);
    }
  }
  return samples;
}

// The highest of each stretch of time.
std::vector<Sample> thinned(const std::vector<Sample>& samples, std::size_t most) {
  if (samples.size() <= most) return samples;
  std::vector<Sample> kept;
  for (std::size_t i = 0; i < most; ++i) {
    const auto first = samples.begin() + static_cast<std::ptrdiff_t>(i * samples.size() / most);
    const auto last =
        samples.begin() + static_cast<std::ptrdiff_t>((i + 1) * samples.size() / most);
    kept.push_back(*std::max_element(
        first, last, [](const Sample& a, const Sample& b) { return a.bytes < b.bytes; }));
  }
  return kept;
}

}  // namespace

Json read_samples(const std::string& path) {
  if (path.empty()) return nullptr;
  const Result<std::string> text = read_text_file(path, limits::kSamplesBytes);
  if (!text) return nullptr;
  const std::vector<Sample> samples = thinned(parse(text.value()), limits::kCurvePoints);
  if (samples.size() < 2) return nullptr;
  Json points = Json::array();
  for (const Sample& sample : samples) {
    points.push_back(Json::array({sample.seconds, sample.bytes}));
  }
  return points;
}

void draw_curve(PythonServices& services, Json samples, std::function<void(Json images)> done) {
  if (!samples.is_array()) return done(Json::array());
  services.call(
      "memory_curve", {{"samples", std::move(samples)}, {"title", "resident memory"}},
      [done = std::move(done)](const Result<Json>& drawn) {
        Json images = Json::array();
        if (drawn.ok() && drawn.value().contains("png")) {
          images.push_back(
              {{"type", "image"}, {"data", drawn.value()["png"]}, {"mimeType", "image/png"}});
        }
        done(std::move(images));
      });
}

}  // namespace pyember::host
