#pragma once

#include "mcp/errors.h"
#include "mcp/http/exchange.h"
#include "mcp/json_rpc.h"

#include <cstddef>
#include <string_view>

// How an HTTP request is answered that no method answers, and the statuses of those that one does.
namespace pyember::mcp {

// The status of an answer that is alone in its response (PROTOCOL: HTTP-11). `code`: of its error;
// 0: a result. An internal error is 200: it was served, and clients read what it says.
int status_of(int code);

struct Refusal {
  int status;
  RpcError error;
  HttpFields fields = {};  // besides Content-Type
};

// Ends the exchange with it. `id`: of the request it answers; empty: it has none, or none was read.
void refuse(HttpExchange& exchange, const RequestId& id, const Refusal& refusal);

Refusal method_not_allowed(std::string_view method);
Refusal not_acceptable(std::string_view wanted);
Refusal unsupported_type();
Refusal body_too_large(std::size_t maximum);
Refusal not_json(std::string_view reason);
Refusal too_complex(std::string_view reason);
Refusal bad_version(std::string_view version);
Refusal batch_out_of_place();
Refusal answer_out_of_place();
Refusal no_session();
Refusal unknown_session();
Refusal too_many_sessions();
Refusal unknown_event();
Refusal id_in_flight(const RequestId& id);
Refusal overloaded();
Refusal server_ends();

}  // namespace pyember::mcp
