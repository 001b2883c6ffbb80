#include "host/metrics/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/utf8.h"

namespace pyember::host {

namespace {

constexpr std::string_view kKinds[] = {"counter", "gauge", "histogram"};  // as in Number

bool is_name(std::string_view name, std::string_view also) {
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
         std::all_of(name.begin(), name.end(), [also](unsigned char each) {
           return std::isalnum(each) != 0 || also.find(static_cast<char>(each)) != also.npos;
         });
}

enum class Quotes { Plain, Escaped };

std::string escaped(std::string_view text, Quotes quotes) {
  std::string out;
  for (const char each : utf8::repaired(text)) {
    if (each == '\n') {
      out += "\\n";
      continue;
    }
    if (each == '\\' || (each == '"' && quotes == Quotes::Escaped)) out += '\\';
    out += each;
  }
  return out;
}

// Without the braces, which a histogram's own label comes into.
std::string text_of(const Labels& labels) {
  std::string text;
  for (const Label& each : labels) {
    CHECK(is_name(each.name, "_"));
    if (!text.empty()) text += ',';
    text += fmt::format("{}=\"{}\"", each.name, escaped(each.value, Quotes::Escaped));
  }
  return text;
}

std::string text_of(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

std::string in_braces(const std::string& labels) {
  return labels.empty() ? std::string() : '{' + labels + '}';
}

void append(std::string& out, const std::string& name, const std::string& labels,
            const Counter& counter) {
  out += fmt::format("{}{} {}\n", name, in_braces(labels), text_of(counter.value()));
}

void append(std::string& out, const std::string& name, const std::string& labels,
            const Gauge& gauge) {
  out += fmt::format("{}{} {}\n", name, in_braces(labels), text_of(gauge.value()));
}

void append(std::string& out, const std::string& name, const std::string& labels,
            const Histogram& histogram) {
  const std::string separator = labels.empty() ? "" : ",";
  const Histogram::Bounds& bounds = histogram.bounds();
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    const std::string bound = i < bounds.size() ? text_of(bounds[i]) : "+Inf";
    out += fmt::format("{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels, separator, bound,
                       histogram.up_to(i));
  }
  out += fmt::format("{}_sum{} {}\n", name, in_braces(labels), text_of(histogram.sum()));
  out += fmt::format("{}_count{} {}\n", name, in_braces(labels), histogram.count());
}

}  // namespace

Histogram::Histogram(const Bounds& bounds) : bounds_(bounds), counts_(bounds.size() + 1) {
  CHECK(std::is_sorted(bounds.begin(), bounds.end()));
}

void Histogram::observe(double value) {
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  ++counts_[static_cast<std::size_t>(bound - bounds_.begin())];
  sum_ += value;
}

std::uint64_t Histogram::count() const { return up_to(bounds_.size()); }

std::uint64_t Histogram::up_to(std::size_t bound) const {
  const auto end = counts_.begin() + static_cast<std::ptrdiff_t>(bound) + 1;
  return std::accumulate(counts_.begin(), end, std::uint64_t{0});
}

template <typename Kind, typename... Arguments>
Kind& MetricRegistry::find(const Metric& metric, const Labels& labels, Arguments&&... arguments) {
  auto family = families_.find(metric.name);
  if (family == families_.end()) {
    CHECK(is_name(metric.name, "_:"));
    family = families_.emplace(metric.name, Family{std::string(metric.help), {}}).first;
  }
  auto& series = family->second.series;
  const auto found = series
                         .try_emplace(text_of(labels), std::in_place_type<Kind>,
                                      std::forward<Arguments>(arguments)...)
                         .first;
  CHECK(series.begin()->second.index() == found->second.index());
  return std::get<Kind>(found->second);
}

Counter& MetricRegistry::counter(const Metric& metric, const Labels& labels) {
  return find<Counter>(metric, labels);
}

Gauge& MetricRegistry::gauge(const Metric& metric, const Labels& labels) {
  return find<Gauge>(metric, labels);
}

Histogram& MetricRegistry::histogram(const Metric& metric, const Histogram::Bounds& bounds,
                                     const Labels& labels) {
  return find<Histogram>(metric, labels, bounds);
}

std::string MetricRegistry::text() const {
  std::string out;
  for (const auto& [name, family] : families_) {
    const std::string_view kind = kKinds[family.series.begin()->second.index()];
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(family.help, Quotes::Plain),
                       name, kind);
    for (const auto& entry : family.series) {
      std::visit([&, &labels = entry.first, &family_name = name](
                     const auto& number) { append(out, family_name, labels, number); },
                 entry.second);
    }
  }
  return out;
}

}  // namespace pyember::host
