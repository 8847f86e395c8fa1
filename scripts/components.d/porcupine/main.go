// Judges by porcupine whether a recorded history is linearizable, one register for each key.
//
// Standard input is one JSON object a line, in any order:
//
//	{"id":7,"client":1,"key":"push:a","op":"put","value":"5","call":1000,"return":2400}
//
// An operation is "put", "clear" or "get"; an absent value is the empty register. An operation
// without a return has an unknown outcome: it may take effect at any time after its call, or
// never. Times are whole numbers of one clock; equal ones count as at the same time.
//
// Standard output is one JSON object: how many keys and operations there were, for each key that
// is not linearizable the first operation at which every order of what came before it fails, and
// the keys that could not be decided in time.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

type operation struct {
	ID     int     `json:"id"`
	Client int     `json:"client"`
	Key    string  `json:"key"`
	Op     string  `json:"op"`
	Value  *string `json:"value"`
	Call   int64   `json:"call"`
	Return *int64  `json:"return"`
}

type offence struct {
	Key string `json:"key"`
	// The operations of the longest orders that are possible, and those that fit in none.
	Ordered int   `json:"ordered"`
	Stuck   []int `json:"stuck"`
	// What the register held at the end of one such order.
	Last []int `json:"last"`
}

type verdict struct {
	Keys       int       `json:"keys"`
	Operations int       `json:"operations"`
	Illegal    []offence `json:"illegal"`
	Undecided  []string  `json:"undecided"`
}

// How many operations at the end of a longest order are told.
const shown = 6

// A register: the state is the value that was put last, "" where it is empty.
var register = porcupine.Model{
	Init: func() interface{} { return "" },
	Step: func(state, input, _ interface{}) (bool, interface{}) {
		op := input.(operation)
		if op.Op == "get" {
			return state.(string) == held(op), state
		}
		return true, held(op)
	},
}

func held(op operation) string {
	if op.Op == "clear" || op.Value == nil {
		return ""
	}
	return "=" + *op.Value
}

func main() {
	limit := flag.Duration("limit", 60*time.Second, "how long all keys together may take")
	flag.Parse()
	history, err := read(os.Stdin)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(judge(history, *limit))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "porcupine:", err)
		os.Exit(2)
	}
}

func read(from io.Reader) (map[string][]operation, error) {
	history := map[string][]operation{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for line := 1; lines.Scan(); line++ {
		var op operation
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if op.Op != "put" && op.Op != "get" && op.Op != "clear" {
			return nil, fmt.Errorf("line %d: there is no operation %q", line, op.Op)
		}
		if op.Return != nil && *op.Return < op.Call {
			return nil, fmt.Errorf("line %d: operation %d returns before its call", line, op.ID)
		}
		history[op.Key] = append(history[op.Key], op)
	}
	return history, lines.Err()
}

func judge(history map[string][]operation, limit time.Duration) verdict {
	result := verdict{Keys: len(history), Illegal: []offence{}, Undecided: []string{}}
	until := time.Now().Add(limit)
	keys := make([]string, 0, len(history))
	for key, ops := range history {
		keys = append(keys, key)
		result.Operations += len(ops)
	}
	sort.Strings(keys)
	for _, key := range keys {
		left := time.Until(until)
		// No limit at all is what 0 would mean.
		if left <= 0 {
			result.Undecided = append(result.Undecided, key)
			continue
		}
		ops := relevant(history[key])
		switch porcupine.CheckOperationsTimeout(register, ops, left) {
		case porcupine.Illegal:
			result.Illegal = append(result.Illegal, explain(key, ops, left))
		case porcupine.Unknown:
			result.Undecided = append(result.Undecided, key)
		}
	}
	return result
}

// Leaves out what decides nothing and costs the most: a get without an answer, and a put of
// unknown outcome whose value nobody has seen. Where an order with such a put exists, one without
// it does too, since no get stands between it and the next write; and it may stand at the very
// end.
func relevant(ops []operation) []porcupine.Operation {
	seen := map[string]bool{}
	for _, op := range ops {
		if op.Op == "get" && op.Return != nil {
			seen[held(op)] = true
		}
	}
	kept := make([]porcupine.Operation, 0, len(ops))
	for _, op := range ops {
		end := int64(math.MaxInt64)
		if op.Return != nil {
			end = *op.Return
		} else if op.Op == "get" || op.Op == "put" && !seen[held(op)] {
			continue
		}
		kept = append(kept, porcupine.Operation{
			ClientId: op.Client, Input: op, Call: op.Call, Return: end,
		})
	}
	return kept
}

// The longest order, and the operations that must come next and cannot.
func explain(key string, ops []porcupine.Operation, limit time.Duration) offence {
	found := offence{Key: key, Stuck: []int{}, Last: []int{}}
	_, info := porcupine.CheckOperationsVerbose(register, ops, limit)
	var longest []porcupine.Operation
	for _, orders := range info.PartialLinearizationsOperations() {
		for _, order := range orders {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	ordered := map[int]bool{}
	for n, op := range longest {
		id := op.Input.(operation).ID
		ordered[id] = true
		if n >= len(longest)-shown {
			found.Last = append(found.Last, id)
		}
	}
	found.Ordered = len(longest)
	// What returns first of the rest has to come before all that was called later.
	first := int64(math.MaxInt64)
	for _, op := range ops {
		if !ordered[op.Input.(operation).ID] && op.Return < first {
			first = op.Return
		}
	}
	for _, op := range ops {
		id := op.Input.(operation).ID
		if !ordered[id] && op.Call <= first && op.Return != math.MaxInt64 {
			found.Stuck = append(found.Stuck, id)
		}
	}
	return found
}
