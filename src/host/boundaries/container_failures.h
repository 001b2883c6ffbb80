#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "host/boundaries/containers.h"

namespace pyember::host {

// Why a container did not come up, as far as what the runtime printed tells.
enum class ContainerFailure {
  ImageMissing,      // not here; pull_command() may help
  ImageUnreachable,  // it could not be fetched
  NoService,         // docker's daemon or podman's machine does not answer, or not to this user
  NoUserNamespaces,  // podman of an ordinary user who has none, or no ids for it
  NoRoomForLimits,   // the runtime asks for more descriptors or processes than the server may have
  ControlGroups,     // the runtime can't do with the machine's control groups
  NoPython,          // the image has no python3 that can run a session
  MountRefused,      // a folder of the server's can't be mounted
  Unknown,
};

// `printed` is what came on the runtime's streams before it ended; code in a container may have
// written there too once it ran, so this is for a container that never got ready.
ContainerFailure container_failure(std::string_view printed);

// The error for people: what, why, what next. The last lines of `printed` are quoted in it.
Error container_error(ContainerFailure failure, const ContainerRuntime& runtime,
                      const ContainerSettings& settings, std::string_view printed);

}  // namespace pyember::host
