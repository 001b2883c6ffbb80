#include <unistd.h>

// The floor under every figure: a peer that only writes back what it read.
int main() {
  static char buffer[1 << 16];
  for (;;) {
    const ssize_t got = read(STDIN_FILENO, buffer, sizeof buffer);
    if (got <= 0) return 0;
    for (ssize_t done = 0; done < got;) {
      const ssize_t put = write(STDOUT_FILENO, buffer + done, static_cast<size_t>(got - done));
      if (put <= 0) return 1;
      done += put;
    }
  }
}
