// Command go-client runs the Go scenarios through go-zookeeper/zk against one server.
//
//	go-client <host:port> [scenario...]
package main

import (
	"fmt"
	"os"
	"time"
)

type scenario struct {
	name string
	run  func(t *test)
}

var scenarios = []scenario{
	{"create-modes", createModes},
	{"errors", errors},
	{"versions", versions},
	{"children", children},
	{"values", values},
	{"large-values", largeValues},
	{"multi", multi},
	{"multi-failures", multiFailures},
	{"acl", acls},
	{"watches", watches},
	{"watches-after-kill", watchesAfterKill},
	{"ephemerals", ephemerals},
	{"session-after-kill", sessionAfterKill},
	{"containers-and-ttl", containersAndTTL},
	{"pipelined", pipelined},
	{"lock", lock},
	{"lock-after-kill", lockAfterKill},
	{"four-letter-words", fourLetterWords},
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go-client <host:port> [scenario...]")
		os.Exit(2)
	}
	chosen := map[string]bool{}
	for _, name := range os.Args[2:] {
		chosen[name] = true
	}
	ran := 0
	for _, s := range scenarios {
		if len(chosen) > 0 && !chosen[s.name] {
			continue
		}
		ran++
		runOne(s, os.Args[1])
	}
	if ran == 0 {
		fmt.Fprintln(os.Stderr, "go-client: no such scenario")
		os.Exit(2)
	}
}

// runOne runs a scenario to its end; a panic in it breaks only itself.
func runOne(s scenario, hostport string) {
	fmt.Println("==", s.name)
	began := time.Now()
	t := &test{root: "/go-" + s.name, hostport: hostport, sessions: map[int64]string{}, zxids: map[int64]string{}}
	defer func() {
		if why := recover(); why != nil {
			t.broken("%v", why)
		}
		t.close()
		fmt.Printf("# %.2f s\n", time.Since(began).Seconds())
	}()
	s.run(t)
}
