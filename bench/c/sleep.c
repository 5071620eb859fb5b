/* An action that sleeps a second. */
#include <time.h>
#include <unistd.h>

int main(void) {
  struct timespec left = {1, 0};
  while (nanosleep(&left, &left) != 0) {
  }
  static const char result[] = "{\"slept\":1}\n";
  return write(1, result, sizeof result - 1) == (ssize_t)(sizeof result - 1) ? 0 : 1;
}
