#include "cli/upstreams_command.h"

#include "cli/upstreams/import_upstreams.h"
#include "cli/upstreams/list_upstreams.h"
#include "cli/upstreams/login_upstream.h"
#include "cli/upstreams/test_upstreams.h"

namespace pyember::cli {

int manage_upstreams(const UpstreamsCommand& command) {
  switch (command.action) {
    case UpstreamsCommand::Action::List:
      return list_upstreams(command);
    case UpstreamsCommand::Action::Test:
      return test_upstreams(command);
    case UpstreamsCommand::Action::Import:
      return import_upstreams(command);
    case UpstreamsCommand::Action::Login:
      return login_upstream(command.login, command.files);
  }
  return 1;
}

}  // namespace pyember::cli
