// Looks for a linear order of what clients did to registers with versions, with the checker of porcupine.
//
// Reads one operation a line (see judge.rs) from standard input. Exit status 0: every register has such an order;
// 1: some have none, a line each; 2: the input cannot be read.
package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

type input struct {
	action  string
	value   int64
	version int64
}

type output struct {
	outcome string
	value   int64
	version int64
}

// The state of a register. The first one is what the run makes: value 0, version 0.
type register struct {
	value   int64
	version int64
}

var model = porcupine.Model{
	Init: func() interface{} { return register{} },
	Step: func(state, in, out interface{}) (bool, interface{}) {
		before, asked, got := state.(register), in.(input), out.(output)
		if asked.action == "read" {
			return before == register{got.value, got.version}, before
		}
		changes := asked.action == "write" || asked.version == before.version
		after := register{asked.value, before.version + 1}
		switch {
		case got.outcome == "refused":
			return !changes, before
		case got.outcome == "unknown" && !changes:
			return true, before
		case got.outcome == "unknown":
			return true, after
		default:
			return changes && after == register{got.value, got.version}, after
		}
	},
	DescribeOperation: func(in, out interface{}) string { return fmt.Sprintf("%v -> %v", in, out) },
}

func main() {
	registers := map[int][]porcupine.Operation{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var key int
		var op porcupine.Operation
		var in input
		var out output
		_, err := fmt.Sscan(lines.Text(), &op.ClientId, &key, &in.action, &in.value, &in.version,
			&op.Call, &op.Return, &out.outcome, &out.value, &out.version)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%q: %v\n", lines.Text(), err)
			os.Exit(2)
		}
		if out.outcome == "unknown" {
			// It may happen at any later time.
			op.Return = math.MaxInt64
		}
		op.Input, op.Output = in, out
		registers[key] = append(registers[key], op)
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	keys := []int{}
	for key := range registers {
		keys = append(keys, key)
	}
	sort.Ints(keys)
	failed := false
	for _, key := range keys {
		result := porcupine.CheckOperationsTimeout(model, registers[key], 2*time.Minute)
		if result != porcupine.Ok {
			failed = true
			fmt.Printf("register %d: %d operations have no linear order (%v)\n", key, len(registers[key]), result)
		}
	}
	if failed {
		os.Exit(1)
	}
}
