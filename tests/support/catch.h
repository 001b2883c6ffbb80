#pragma once

// Catch2 3 (Debian 13) or 2 (Debian 12): tests include this header and use what both have.

// The program's own CHECK aborts; in a test the word means Catch2's. Headers that use the former
// inside come first, so that each gets the one it was written for.
#include "base/check.h"
#include "base/result.h"
#undef CHECK

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
