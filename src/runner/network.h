#pragma once

namespace pyember::runner {

// Called in the child, between fork and exec. In a fresh network namespace: makes 127.0.0.1 work,
// for programs that talk to themselves. Nothing outside can be reached or reach in. Not fatal when
// it can't be done. Without a namespace, base/local_sockets.h stands in.
void bring_up_loopback();

}  // namespace pyember::runner
