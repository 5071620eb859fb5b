package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sort"
	"strings"
	"sync"
	"syscall"
)

var started = os.Getpid()

func main() {
	fmt.Println("init", started == os.Getpid(), "argument", len(os.Args), strings.Join(os.Args[1:], "|"))
	var names []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "PWD=") {
			names = append(names, entry)
		}
	}
	sort.Strings(names)
	fmt.Println(strings.Join(names, "\n"))
	var group sync.WaitGroup
	var lock sync.Mutex
	sum := 0
	for at := 0; at < 100; at++ {
		group.Add(1)
		go func(value int) {
			defer group.Done()
			lock.Lock()
			sum += value
			lock.Unlock()
		}(at)
	}
	group.Wait()
	fmt.Println("sum", sum)
	output, err := exec.Command("/bin/sh", "-c", "echo from sh; exit 3").CombinedOutput()
	fmt.Printf("%s%v\n", output, err)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println("signal", <-signals)
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		fmt.Println("line", len(scanner.Text()))
	}
	func() {
		defer func() { fmt.Println("recovered", recover()) }()
		var nothing *int
		*nothing = 1
	}()
	os.Exit(6)
}
