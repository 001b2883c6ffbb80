#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace pyember {

// Why an expected failure happened, in a closed set that callers may branch on.
enum class ErrorCode {
  InvalidArgument,  // the caller sent something we cannot use
  NotFound,         // the named thing does not exist
  LimitReached,     // a named bound in base/limits.h or an option was hit
  Unavailable,      // something outside us is missing or refuses
  Internal,         // we could not do it and it is nobody else's fault
};

// An expected failure. `message` is written for the person or model who reads it and has three
// parts: what happened, why, and what to do next.
struct Error {
  ErrorCode code = ErrorCode::Internal;
  std::string message;
};

// A value or an Error. Exceptions stay in the .cpp that calls a throwing library and become one.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return std::holds_alternative<T>(state_); }
  explicit operator bool() const { return ok(); }

  T& value() {
    CHECK(ok());
    return std::get<T>(state_);
  }
  const T& value() const {
    CHECK(ok());
    return std::get<T>(state_);
  }
  T take() {
    CHECK(ok());
    return std::move(std::get<T>(state_));
  }
  const Error& error() const {
    CHECK(!ok());
    return std::get<Error>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

// Result<void>: success carries nothing.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}  // NOLINT: implicit by design

  bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    CHECK(failed_);
    return error_;
  }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace pyember
