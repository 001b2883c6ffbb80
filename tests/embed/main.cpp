// Ends the process without finalising CPython: parked threads and live interpreters make that
// unsafe, in the product as here.
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <unistd.h>
#include <cstdio>

int main(int argc, char** argv) {
  Catch::Session session;
#ifdef PYEMBER_SANITIZED
  // What interposes libc is left out of sanitized builds, see src/embed/interpose.h.
  session.configData().testsOrTags.push_back("~[interposed]");
#endif
  if (const int wrong = session.applyCommandLine(argc, argv)) _exit(wrong);
  const int failed = session.run();
  std::fflush(nullptr);
  _exit(failed > 250 ? 250 : failed);
}
