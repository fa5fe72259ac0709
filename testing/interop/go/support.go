package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// A test is one running scenario: its root path, its clients, and names for what varies between runs.
type test struct {
	root     string
	hostport string
	clients  []*zk.Conn
	sessions map[int64]string
	zxids    map[int64]string
	printing sync.Mutex
}

var open = zk.WorldACL(zk.PermAll)

// quiet drops the client's log.
type quiet struct{}

func (quiet) Printf(string, ...interface{}) {}

// client connects and makes sure that the scenario's root exists.
func (t *test) client() *zk.Conn {
	conn, _ := t.connect(t.hostport, 20*time.Second)
	return conn
}

// gated connects through the gate: for clients that live through a restart of the server.
func (t *test) gated() (*zk.Conn, <-chan zk.Event) {
	gate := os.Getenv("INTEROP_GATE")
	if gate == "" {
		gate = t.hostport
	}
	return t.connect(gate, 30*time.Second)
}

func (t *test) connect(hostport string, timeout time.Duration) (*zk.Conn, <-chan zk.Event) {
	conn, events, err := zk.Connect([]string{hostport}, timeout, zk.WithLogger(quiet{}), zk.WithLogInfo(false))
	if err != nil {
		panic(err)
	}
	t.clients = append(t.clients, conn)
	if _, err := conn.Create(t.root, nil, 0, open); err != nil && err != zk.ErrNodeExists {
		panic(err)
	}
	return conn, events
}

func (t *test) close() {
	for _, conn := range t.clients {
		conn.Close()
	}
}

func (t *test) say(format string, args ...interface{}) {
	t.printing.Lock()
	defer t.printing.Unlock()
	fmt.Printf(format+"\n", args...)
}

// broken reports an invariant that does not hold.
func (t *test) broken(format string, args ...interface{}) {
	t.say("!! "+format, args...)
}

// result prints a value or the error in its place.
func (t *test) result(label string, value interface{}, err error) {
	if err != nil {
		t.say("%s: %v", label, err)
		return
	}
	t.say("%s: %v", label, value)
}

// stat prints a Stat with zxids and sessions named in order of appearance.
func (t *test) stat(s *zk.Stat) string {
	if s == nil {
		return "none"
	}
	for _, at := range []int64{s.Ctime, s.Mtime} {
		if age := time.Since(time.UnixMilli(at)); at != 0 && (age > 5*time.Minute || age < -5*time.Minute) {
			t.broken("a time is not near now")
		}
	}
	return fmt.Sprintf("v=%d cv=%d av=%d owner=%s len=%d kids=%d c=%s m=%s p=%s", s.Version, s.Cversion, s.Aversion,
		name(t.sessions, "s", s.EphemeralOwner), s.DataLength, s.NumChildren,
		name(t.zxids, "z", s.Czxid), name(t.zxids, "z", s.Mzxid), name(t.zxids, "z", s.Pzxid))
}

func name(known map[int64]string, prefix string, id int64) string {
	if id == 0 {
		return "0"
	}
	if _, ok := known[id]; !ok {
		known[id] = fmt.Sprintf("%s%d", prefix, len(known)+1)
	}
	return known[id]
}

// get prints data and Stat of a node.
func (t *test) get(conn *zk.Conn, path string) {
	data, stat, err := conn.Get(path)
	t.result("get "+strings.TrimPrefix(path, t.root), fmt.Sprintf("%q %s", short(data), t.stat(stat)), err)
}

func short(data []byte) string {
	if len(data) <= 60 {
		return string(data)
	}
	sum := 0
	for _, b := range data {
		sum += int(b)
	}
	return fmt.Sprintf("<%d bytes, sum %d>", len(data), sum)
}

func sorted(names []string) []string {
	sort.Strings(names)
	return names
}

// event waits for one event of a watch.
func (t *test) event(label string, watch <-chan zk.Event) {
	select {
	case e := <-watch:
		t.say("%s: %v %s", label, e.Type, strings.TrimPrefix(e.Path, t.root))
	case <-time.After(60 * time.Second):
		t.broken("%s: no event", label)
	}
}

// silent checks that a watch has not fired, behind a round trip on its connection.
func (t *test) silent(label string, conn *zk.Conn, watch <-chan zk.Event) {
	if _, err := conn.Sync("/"); err != nil {
		t.broken("sync: %v", err)
	}
	select {
	case e, live := <-watch:
		if live {
			t.say("%s: %v %s", label, e.Type, strings.TrimPrefix(e.Path, t.root))
			return
		}
	default:
	}
	t.say("%s: nothing", label)
}

// fourLetters sends a four-letter word and returns the whole answer.
func (t *test) fourLetters(word string) string {
	conn, err := net.Dial("tcp", t.hostport)
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, word)
	answer, err := io.ReadAll(conn)
	if err != nil {
		panic(err)
	}
	return string(answer)
}

// control commands the server: kill, stop, start, restart, bounce.
func (t *test) control(words ...string) {
	conn, err := net.Dial("tcp", os.Getenv("INTEROP_CONTROL"))
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	lines := bufio.NewReader(conn)
	for _, word := range words {
		fmt.Fprintln(conn, word)
		if answer, err := lines.ReadString('\n'); strings.TrimSpace(answer) != "ok" {
			panic(fmt.Sprintf("control %s: %s %v", word, answer, err))
		}
	}
}

// back waits until a client has its session again and is answered.
func (t *test) back(conn *zk.Conn) {
	deadline := time.Now().Add(60 * time.Second)
	for time.Now().Before(deadline) {
		if conn.State() == zk.StateHasSession {
			if _, _, err := conn.Exists("/"); err == nil {
				return
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.broken("the client is not back")
}
