#include "base/result.h"

#include "support/catch.h"

#include <memory>

using pyember::Error;
using pyember::ErrorCode;
using pyember::Result;

TEST_CASE("Result: holds the value it was made from") {
  const Result<std::string> result = std::string("value");
  CHECK(result.ok());
  CHECK(result.value() == "value");
}

TEST_CASE("Result: holds the error it was made from") {
  const Result<int> result = Error{ErrorCode::NotFound, "no such thing"};
  CHECK_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::NotFound);
  CHECK(result.error().message == "no such thing");
}

TEST_CASE("Result: gives up a value that can only be moved") {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  CHECK(*result.take() == 7);
}

TEST_CASE("Result<void>: is success until it is an error") {
  CHECK(Result<void>().ok());
  const Result<void> failed = Error{ErrorCode::LimitReached, "full"};
  CHECK_FALSE(failed.ok());
  CHECK(failed.error().message == "full");
}
