#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// Numbers that are counted while the server runs, and their text for Prometheus (text exposition
// format 0.0.4). Small and of one thread on purpose: what counts on the path of a call is one
// addition to a number whose place was looked up before. Loop's thread only.
namespace pyember::host {

// What only grows.
class Counter {
 public:
  void add() { ++value_; }
  void set(double total) { value_ = total; }  // of what is counted elsewhere
  double value() const { return value_; }

 private:
  double value_ = 0;
};

// What goes up and down.
class Gauge {
 public:
  void set(double value) { value_ = value; }
  double value() const { return value_; }

 private:
  double value_ = 0;
};

// How often values were at most as large as each of some bounds.
class Histogram {
 public:
  using Bounds = std::vector<double>;  // ascending; one more, infinity, is always there

  explicit Histogram(const Bounds& bounds);
  void observe(double value);

  std::uint64_t count() const;
  double sum() const { return sum_; }
  // Of the values at most as large as the bound of this index; one past the last: of all.
  std::uint64_t up_to(std::size_t bound) const;
  const Bounds& bounds() const { return bounds_; }

 private:
  const Bounds& bounds_;
  std::vector<std::uint64_t> counts_;  // of the values between two bounds
  double sum_ = 0;
};

struct Label {
  std::string_view name;
  std::string_view value;
};
using Labels = std::vector<Label>;

// A name by Prometheus' conventions, and what it counts, in a sentence.
struct Metric {
  std::string_view name;
  std::string_view help;
};

// All numbers, each with a place that stays. A metric has one kind, and its labels the same names
// in the same order each time: anything else is our bug (CHECK), as is a name that can't be one.
// Values of labels may be any text. Who adds labels that others choose sees to it that they are
// few.
class MetricRegistry {
 public:
  // Found, or made with the value 0.
  Counter& counter(const Metric& metric, const Labels& labels = {});
  Gauge& gauge(const Metric& metric, const Labels& labels = {});
  // `bounds` outlive the registry.
  Histogram& histogram(const Metric& metric, const Histogram::Bounds& bounds,
                       const Labels& labels = {});

  // What a scrape is answered with; metrics in the order of their names.
  std::string text() const;

 private:
  using Number = std::variant<Counter, Gauge, Histogram>;
  struct Family {
    std::string help;
    std::map<std::string, Number> series;  // by their labels, as they are written
  };

  template <typename Kind, typename... Arguments>
  Kind& find(const Metric& metric, const Labels& labels, Arguments&&... arguments);

  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace pyember::host
