// C++: constructors before main, exceptions through frames, threads, streams, destructors after main.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <typeinfo>
#include <unistd.h>
#include <vector>

struct Static {
  int pid = getpid();
  std::string text = std::getenv("__OW_ACTIVATION_ID") ? std::getenv("__OW_ACTIVATION_ID") : "none";
  ~Static() { std::fprintf(stderr, "destroyed %d\n", pid == getpid()); }
};
static Static constructed;
static thread_local int counter = 41;

struct Base {
  virtual ~Base() = default;
};
struct Derived : Base {
  int value = 9;
};

static int deep(int level) {
  struct Guard {
    int &unwound;
    ~Guard() { unwound++; }
  };
  static int unwound = 0;
  Guard guard{unwound};
  if (level == 0) throw std::runtime_error("from below");
  return deep(level - 1) + unwound;
}

int main(int argc, char **argv) {
  std::cout << "constructed " << (constructed.pid == getpid()) << " saw " << constructed.text << "\n";
  try {
    deep(50);
  } catch (const std::exception &error) {
    std::cout << "caught " << error.what() << " " << (typeid(error) == typeid(std::runtime_error)) << "\n";
  }
  std::unique_ptr<Base> base = std::make_unique<Derived>();
  std::cout << "cast " << dynamic_cast<Derived *>(base.get())->value << "\n";
  int other = 0;
  std::thread thread([&] { other = ++counter; });
  thread.join();
  std::cout << "thread " << other << " " << counter << "\n";
  auto future = std::async(std::launch::async, [] { return 6 * 7; });
  std::cout << "future " << future.get() << "\n";
  auto failing = std::async(std::launch::async, []() -> int { throw 5; });
  try {
    failing.get();
  } catch (int number) {
    std::cout << "from a thread " << number << "\n";
  }
  std::map<std::string, int> words;
  std::istringstream stream(argc > 1 ? argv[1] : "");
  for (std::string word; stream >> word;) words[word]++;
  for (const auto &[word, count] : words) std::cout << word << "=" << count << ";";
  std::regex pattern("\\d+");
  std::string text = argc > 1 ? argv[1] : "";
  std::cout << "\nnumbers " << std::distance(std::sregex_iterator(text.begin(), text.end(), pattern), {}) << "\n";
  std::random_device device;
  std::mt19937 fixed(3);
  std::cout << "random " << (device() != device()) << " " << fixed() << "\n";
  std::string line;
  while (std::getline(std::cin, line)) std::cout << "line " << line.size() << "\n";
  std::cout << std::flush;
  if (text.find("terminate") != std::string::npos) throw std::logic_error("nobody catches");
  return 4;
}
