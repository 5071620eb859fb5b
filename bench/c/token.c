/*
 * An action that answers its arguments, and leaves a byte in the file `runs` of its working directory for each time
 * that it runs: who counts both sees what was lost, swapped or run twice.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **arguments) {
  if (count < 2) return 2;
  int runs = open("runs", O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (runs < 0 || write(runs, ".", 1) != 1) return 3;
  size_t length = strlen(arguments[1]);
  arguments[1][length] = '\n';
  return write(1, arguments[1], length + 1) == (ssize_t)(length + 1) ? 0 : 4;
}
