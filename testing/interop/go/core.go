package main

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

func createModes(t *test) {
	conn := t.client()
	name(t.sessions, "s", conn.SessionID())
	for _, mode := range []struct {
		name  string
		flags int32
	}{{"plain", 0}, {"eph", zk.FlagEphemeral}, {"seq-", zk.FlagSequence}, {"eseq-", zk.FlagEphemeral | zk.FlagSequence}} {
		path, err := conn.Create(t.root+"/"+mode.name, []byte(mode.name), mode.flags, open)
		t.result("create "+mode.name, path, err)
		t.get(conn, path)
	}
	path, err := conn.CreateContainer(t.root+"/container", nil, zk.FlagContainer, open)
	t.result("container", path, err)
	t.get(conn, path)
	for name, flags := range map[string]int32{"ttl": zk.FlagTTL} {
		path, err = conn.CreateTTL(t.root+"/"+name, nil, flags, open, time.Hour)
		t.result(name, path, err)
		t.get(conn, path)
	}
	path, err = conn.CreateTTL(t.root+"/ttl-", nil, zk.FlagPersistentSequentialWithTTL, open, time.Hour)
	t.result("ttl sequential", path, err)
	path, err = conn.CreateProtectedEphemeralSequential(t.root+"/p-", nil, open)
	t.result("protected", len(path), err)
	t.get(conn, t.root)
}

func errors(t *test) {
	conn := t.client()
	must(conn.Create(t.root+"/there", nil, 0, open))
	must(conn.Create(t.root+"/eph", nil, zk.FlagEphemeral, open))
	for _, path := range []string{"/there", "/no/parent", "/eph/child"} {
		_, err := conn.Create(t.root+path, nil, 0, open)
		t.result("create "+path, "done", err)
	}
	_, _, err := conn.Get(t.root + "/none")
	t.result("get", "done", err)
	_, _, err = conn.Children(t.root + "/none")
	t.result("children", "done", err)
	exists, _, err := conn.Exists(t.root + "/none")
	t.result("exists", exists, err)
	_, err = conn.Set(t.root+"/none", nil, -1)
	t.result("set", "done", err)
	t.result("delete", "done", conn.Delete(t.root+"/none", -1))
	t.result("delete with children", "done", conn.Delete(t.root, -1))
	t.result("delete root", "done", conn.Delete("/", -1))
	t.result("delete config", "done", conn.Delete("/zookeeper/config", -1))
	_, err = conn.CreateTTL(t.root+"/ttl", nil, zk.FlagTTL, open, 0)
	t.result("ttl of nothing", "done", err)
	_, err = conn.Create(t.root+"/acl", nil, 0, []zk.ACL{})
	t.result("empty ACL", "done", err)
	_, err = conn.IncrementalReconfig([]string{"server.2=localhost:1:2;3"}, nil, -1)
	t.result("reconfig", "done", err)
	path, err := conn.Sync(t.root + "/none")
	t.result("sync", path, err)
}

func must(path string, err error) string {
	if err != nil {
		panic(err)
	}
	return path
}

func versions(t *test) {
	conn := t.client()
	path := must(conn.Create(t.root+"/n", nil, 0, open))
	for _, version := range []int32{0, 0, 1, -1, 9, 3} {
		stat, err := conn.Set(path, []byte("x"), version)
		t.result(fmt.Sprint("set ", version), t.stat(stat), err)
	}
	for _, version := range []int32{0, 0, -1, 9, 2} {
		stat, err := conn.SetACL(path, open, version)
		t.result(fmt.Sprint("set acl ", version), t.stat(stat), err)
	}
	for _, version := range []int32{0, 9, 4} {
		t.result(fmt.Sprint("delete ", version), "done", conn.Delete(path, version))
	}
}

func children(t *test) {
	conn := t.client()
	for i := 0; i < 300; i++ {
		must(conn.Create(fmt.Sprintf("%s/n%03d", t.root, i), nil, 0, open))
	}
	names, stat, err := conn.Children(t.root)
	t.result("children", fmt.Sprint(len(names), sorted(names)[0], names[299], t.stat(stat)), err)
	must(conn.Create(t.root+"/n000/ü 語", nil, 0, open))
	names, stat, err = conn.Children(t.root + "/n000")
	t.result("odd names", fmt.Sprint(names, t.stat(stat)), err)
}

func values(t *test) {
	conn := t.client()
	for i, value := range [][]byte{nil, {}, []byte("text"), {0, 255, 10}} {
		path := must(conn.Create(fmt.Sprintf("%s/n%d", t.root, i), value, 0, open))
		data, stat, err := conn.Get(path)
		t.result(fmt.Sprintf("value %d", i), fmt.Sprintf("%q nil=%v %s", data, data == nil, t.stat(stat)), err)
	}
}

func largeValues(t *test) {
	conn := t.client()
	path := must(conn.Create(t.root+"/n", nil, 0, open))
	fits := 1048575 - 20 - len(path)
	for _, size := range []int{100_000, 1_000_000, fits} {
		value := bytes.Repeat([]byte{'x'}, size)
		stat, err := conn.Set(path, value, -1)
		t.result(fmt.Sprint("set ", size), t.stat(stat), err)
		data, _, err := conn.Get(path)
		if err != nil || !bytes.Equal(data, value) {
			t.broken("read back something else: %v", err)
		}
	}
	_, err := conn.Set(path, make([]byte, fits+1), -1)
	if err == nil {
		t.broken("a frame above the limit was accepted")
	}
	t.back(conn)
	t.get(conn, path)
}

func multiResults(t *test, label string, results []zk.MultiResponse, err error) {
	t.say("%s: err=%v", label, err)
	for _, r := range results {
		t.say("  %q %s %v", r.String, t.stat(r.Stat), r.Error)
	}
}

func multi(t *test) {
	conn := t.client()
	r := t.root
	must(conn.Create(r+"/old", nil, 0, open))
	results, err := conn.Multi(
		&zk.CreateRequest{Path: r + "/a", Acl: open},
		&zk.CreateRequest{Path: r + "/a/b", Data: []byte("x"), Acl: open, Flags: zk.FlagEphemeral},
		&zk.CreateRequest{Path: r + "/s-", Acl: open, Flags: zk.FlagSequence},
		&zk.SetDataRequest{Path: r + "/old", Data: []byte("new"), Version: 0},
		&zk.CheckVersionRequest{Path: r + "/old", Version: 1},
		&zk.DeleteRequest{Path: r + "/old", Version: 1},
	)
	multiResults(t, "succeeds", results, err)
	t.get(conn, r)
	t.get(conn, r+"/a/b")
}

func multiFailures(t *test) {
	conn := t.client()
	r := t.root
	must(conn.Create(r+"/there", nil, 0, open))
	must(conn.Create(r+"/there/child", nil, 0, open))
	for _, failing := range []struct {
		label string
		op    interface{}
	}{
		{"create existing", &zk.CreateRequest{Path: r + "/there", Acl: open}},
		{"create without parent", &zk.CreateRequest{Path: r + "/no/x", Acl: open}},
		{"delete missing", &zk.DeleteRequest{Path: r + "/none", Version: -1}},
		{"delete with children", &zk.DeleteRequest{Path: r + "/there", Version: -1}},
		{"delete wrong version", &zk.DeleteRequest{Path: r + "/there", Version: 7}},
		{"set missing", &zk.SetDataRequest{Path: r + "/none", Version: -1}},
		{"set wrong version", &zk.SetDataRequest{Path: r + "/there", Version: 7}},
		{"check missing", &zk.CheckVersionRequest{Path: r + "/none", Version: 0}},
		{"check wrong version", &zk.CheckVersionRequest{Path: r + "/there", Version: 7}},
	} {
		results, err := conn.Multi(&zk.CreateRequest{Path: r + "/new", Acl: open}, failing.op, &zk.DeleteRequest{Path: r + "/there/child", Version: -1})
		multiResults(t, failing.label, results, err)
	}
	t.get(conn, r)
}

func acls(t *test) {
	owner, other := t.client(), t.client()
	if err := owner.AddAuth("digest", []byte("owner:secret")); err != nil {
		panic(err)
	}
	path := must(owner.Create(t.root+"/mine", []byte("x"), 0, zk.AuthACL(zk.PermAll)))
	list, stat, err := owner.GetACL(path)
	t.result("acl", fmt.Sprint(list, t.stat(stat)), err)
	_, _, err = other.Get(path)
	t.result("another gets", "done", err)
	_, err = other.Set(path, nil, -1)
	t.result("another sets", "done", err)
	_, _, err = other.GetACL(path)
	t.result("another's getACL", "done", err)
	_, err = other.SetACL(path, open, -1)
	t.result("another's setACL", "done", err)
	_, err = other.Create(t.root+"/x", nil, 0, zk.AuthACL(zk.PermAll))
	t.result("auth without identity", "done", err)
	if err := other.AddAuth("digest", []byte("owner:secret")); err != nil {
		panic(err)
	}
	t.get(other, path)
	path = must(owner.Create(t.root+"/digest", nil, 0, append(zk.DigestACL(zk.PermAll, "u", "p"), zk.WorldACL(zk.PermRead)...)))
	list, _, err = owner.GetACL(path)
	t.result("hidden hash", list, err)
	t.result("unknown scheme", "done", t.client().AddAuth("nosuch", []byte("x")))
}

func ephemerals(t *test) {
	owner, other := t.client(), t.client()
	name(t.sessions, "s", owner.SessionID())
	must(owner.Create(t.root+"/e", nil, zk.FlagEphemeral, open))
	t.get(other, t.root+"/e")
	_, _, gone, err := other.ExistsW(t.root + "/e")
	t.result("watch", "set", err)
	owner.Close()
	t.event("after close", gone)
	names, _, err := other.Children(t.root)
	t.result("left", names, err)
}

func containersAndTTL(t *test) {
	conn := t.client()
	must(conn.CreateContainer(t.root+"/c", nil, zk.FlagContainer, open))
	must(conn.Create(t.root+"/c/x", nil, 0, open))
	must(conn.CreateTTL(t.root+"/t", nil, zk.FlagTTL, open, 400*time.Millisecond))
	_, _, container, err := conn.ExistsW(t.root + "/c")
	t.result("watch", "set", err)
	_, _, ttl, err := conn.ExistsW(t.root + "/t")
	if err != nil {
		t.broken("the TTL node was gone at once: %v", err)
	}
	t.event("ttl", ttl)
	t.result("delete child", "done", conn.Delete(t.root+"/c/x", -1))
	t.event("container", container)
}

// pipelined lets 32 goroutines share one connection.
func pipelined(t *test) {
	conn := t.client()
	var all sync.WaitGroup
	for g := 0; g < 32; g++ {
		all.Add(1)
		go func(g int) {
			defer all.Done()
			for i := 0; i < 60; i++ {
				path, err := conn.Create(fmt.Sprintf("%s/g%02d-", t.root, g), []byte(fmt.Sprint(i)), zk.FlagSequence, open)
				if err != nil {
					t.broken("create: %v", err)
					return
				}
				if data, _, err := conn.Get(path); err != nil || string(data) != fmt.Sprint(i) {
					t.broken("read back %q %v", data, err)
				}
			}
		}(g)
	}
	all.Wait()
	t.get(conn, t.root)
}

// fourLetterWords uses the client's own parsers of srvr, cons and ruok.
func fourLetterWords(t *test) {
	conn := t.client()
	servers := []string{t.hostport}
	stats, ok := zk.FLWSrvr(servers, 30*time.Second)
	t.say("srvr parsed: %v mode %v error %v", ok, stats[0].Mode, stats[0].Error)
	t.say("ruok: %v", zk.FLWRuok(servers, 30*time.Second))
	clients, ok := zk.FLWCons(servers, 30*time.Second)
	t.say("cons parsed: %v error %v", ok, clients[0].Error)
	mine := 0
	for _, c := range clients[0].Clients {
		if c.SessionID == conn.SessionID() {
			mine++
			t.say("timeout %v lop %s", c.Timeout, c.LastOperation)
		}
	}
	t.say("this session is listed %d time(s)", mine)
	fmt.Fprintln(os.Stderr, "srvr version", stats[0].Version)
}
