#include "mcp/errors.h"

#include "mcp/log_level.h"
#include "support/catch.h"

using namespace pyember;
using namespace pyember::mcp;

TEST_CASE("errors: the caller's mistakes are invalid params, the rest is internal") {
  CHECK(to_rpc_error({ErrorCode::InvalidArgument, "m"}).code == RpcCode::InvalidParams);
  CHECK(to_rpc_error({ErrorCode::NotFound, "m"}).code == RpcCode::InvalidParams);
  CHECK(to_rpc_error({ErrorCode::LimitReached, "m"}).code == RpcCode::InternalError);
  CHECK(to_rpc_error({ErrorCode::Unavailable, "m"}).code == RpcCode::InternalError);
  CHECK(to_rpc_error({ErrorCode::Internal, "m"}).code == RpcCode::InternalError);
  CHECK(to_rpc_error({ErrorCode::Internal, "m"}).message == "m");
}

TEST_CASE("errors: a resource that is not found has the code of the caller's era") {
  CHECK(resource_not_found("x://y", Version::V2026_07_28).code == RpcCode::InvalidParams);
  CHECK(resource_not_found("x://y", Version::V2025_11_25).code == RpcCode::LegacyResourceNotFound);
  CHECK(resource_not_found("x://y", Version::V2026_07_28).data == Json({{"uri", "x://y"}}));
}

TEST_CASE("errors: what a client sent is shown in quotes, repaired and cut") {
  CHECK(in_quotes("short") == "'short'");
  CHECK(in_quotes("a\xFF") == "'a\xEF\xBF\xBD'");
  CHECK(in_quotes(std::string(81, 'x')) == '\'' + std::string(80, 'x') + "'…");
}

TEST_CASE("log levels: names and order are those of the protocol") {
  CHECK(parse_log_level("debug") == LogLevel::Debug);
  CHECK(parse_log_level("emergency") == LogLevel::Emergency);
  CHECK_FALSE(parse_log_level("Debug"));
  CHECK_FALSE(parse_log_level(""));
  CHECK(to_string(LogLevel::Warning) == "warning");
  CHECK(LogLevel::Notice < LogLevel::Warning);
}
