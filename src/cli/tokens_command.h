#pragma once

#include <string>
#include <vector>

namespace pyember::cli {

// `pyember tokens`: what was asked for.
struct TokensCommand {
  enum class Action { List, Add, Remove };

  Action action = Action::List;
  std::string file;                  // empty: the one that serve looks for
  std::string name;                  // add
  std::vector<std::string> scopes;   // add; empty: everything
  std::string expires = "90d";       // add: a duration, or "never"
  std::vector<std::string> removed;  // remove: ids or names
  bool json = false;
};

// Makes, shows and removes the tokens that let clients of HTTP in. A token itself is printed once,
// when it is made. Exit codes: 0; 1 when it could not be done; 2 when it can't be understood.
int manage_tokens(const TokensCommand& command);

// Where they are kept unless a file is named: in the folder of configurations. Empty: there is
// none.
std::string usual_token_file();

}  // namespace pyember::cli
