package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"
)

func watches(t *test) {
	see, do := t.client(), t.client()
	n := t.root + "/n"
	_, _, w, err := see.ExistsW(n)
	t.result("watch a missing node", "set", err)
	must(do.Create(n, nil, 0, open))
	t.event("created", w)
	_, _, w, _ = see.GetW(n)
	mustSet(do, n, "1")
	t.event("changed", w)
	mustSet(do, n, "2")
	t.silent("one-shot", see, w)
	_, _, kids, _ := see.ChildrenW(n)
	_, _, data, _ := see.GetW(n)
	must(do.Create(n+"/c", nil, 0, open))
	t.event("child", kids)
	t.silent("no data event for a child", see, data)
	_, _, kids, _ = see.ChildrenW(n)
	_, _, parent, _ := see.ChildrenW(t.root)
	mustDelete(do, n+"/c")
	t.event("child gone", kids)
	_, _, kids, _ = see.ChildrenW(n)
	mustDelete(do, n)
	t.event("deleted, data", data)
	t.event("deleted, children", kids)
	t.event("deleted, parent", parent)
	_, _, _, err = see.GetW(n)
	t.result("watch by get on a missing node", "set", err)
}

func mustSet(conn *zk.Conn, path, value string) {
	if _, err := conn.Set(path, []byte(value), -1); err != nil {
		panic(err)
	}
}

func mustDelete(conn *zk.Conn, path string) {
	if err := conn.Delete(path, -1); err != nil {
		panic(err)
	}
}

// watchesAfterKill: this client sends its watches again after a reconnect; what changed meanwhile is told, what
// did not stays watched.
func watchesAfterKill(t *test) {
	conn, _ := t.gated()
	for _, name := range []string{"same", "later", "kids"} {
		must(conn.Create(t.root+"/"+name, nil, 0, open))
	}
	_, _, same, _ := conn.GetW(t.root + "/same")
	_, _, later, _ := conn.GetW(t.root + "/later")
	_, _, missing, _ := conn.ExistsW(t.root + "/missing")
	_, _, kids, _ := conn.ChildrenW(t.root + "/kids")
	t.control("bounce")
	t.back(conn)
	t.silent("nothing changed", conn, same)
	mustSet(conn, t.root+"/later", "1")
	t.event("changed", later)
	must(conn.Create(t.root+"/missing", nil, 0, open))
	t.event("created", missing)
	must(conn.Create(t.root+"/kids/x", nil, 0, open))
	t.event("child", kids)
	t.silent("still unchanged", conn, same)
	mustDelete(conn, t.root+"/same")
	t.event("deleted", same)
}

func sessionAfterKill(t *test) {
	conn, _ := t.gated()
	session := conn.SessionID()
	name(t.sessions, "s", session)
	must(conn.Create(t.root+"/e", nil, zk.FlagEphemeral, open))
	for round := 0; round < 2; round++ {
		t.control("bounce")
		t.back(conn)
		if conn.SessionID() != session {
			t.broken("another session")
		}
		t.get(conn, t.root+"/e")
	}
}

// lock: eight contenders add to a counter by read and write under the lock; none may be lost.
func lock(t *test) {
	first := t.client()
	must(first.Create(t.root+"/counter", []byte("0"), 0, open))
	var inside, most atomic.Int32
	var all sync.WaitGroup
	const rounds = 15
	for g := 0; g < 8; g++ {
		conn := t.client()
		all.Add(1)
		go func() {
			defer all.Done()
			for i := 0; i < rounds; i++ {
				lock := zk.NewLock(conn, t.root+"/lock", open)
				if err := lock.Lock(); err != nil {
					t.broken("lock: %v", err)
					return
				}
				if now := inside.Add(1); now > most.Load() {
					most.Store(now)
				}
				data, _, err := conn.Get(t.root + "/counter")
				if err != nil {
					t.broken("get: %v", err)
				}
				value, _ := strconv.Atoi(string(data))
				mustSet(conn, t.root+"/counter", fmt.Sprint(value+1))
				inside.Add(-1)
				if err := lock.Unlock(); err != nil {
					t.broken("unlock: %v", err)
				}
			}
		}()
	}
	all.Wait()
	t.say("inside at most %d", most.Load())
	data, stat, err := first.Get(t.root + "/counter")
	t.result("counter", fmt.Sprint(string(data), " version ", stat.Version), err)
	names, _, err := first.Children(t.root + "/lock")
	t.result("left", names, err)
}

// lockAfterKill: a holder keeps its lock through a crash of the server; a waiter still gets it afterwards.
func lockAfterKill(t *test) {
	holder, _ := t.gated()
	waiter, _ := t.gated()
	held := zk.NewLock(holder, t.root+"/lock", open)
	if err := held.Lock(); err != nil {
		panic(err)
	}
	got := make(chan error, 1)
	go func() { got <- zk.NewLock(waiter, t.root+"/lock", open).Lock() }()
	// The client gives up a request that is under way at the kill, so the waiter must be down to its watch.
	for wait := 0; !strings.Contains(t.fourLetters("wchp"), t.root+"/lock/"); wait++ {
		if wait == 2000 {
			t.broken("wchp never showed the waiter's watch")
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.control("bounce")
	t.back(holder)
	t.back(waiter)
	select {
	case err := <-got:
		t.broken("the waiter got the lock, or gave up: %v", err)
	default:
	}
	t.result("unlock", "done", held.Unlock())
	select {
	case err := <-got:
		t.result("the waiter", "has the lock", err)
	case <-time.After(60 * time.Second):
		t.broken("the waiter never got the lock")
	}
}
