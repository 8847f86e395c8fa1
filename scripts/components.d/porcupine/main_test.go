package main

import (
	"strings"
	"testing"
	"time"
)

func judged(t *testing.T, lines string) verdict {
	t.Helper()
	history, err := read(strings.NewReader(strings.TrimSpace(lines)))
	if err != nil {
		t.Fatal(err)
	}
	return judge(history, time.Minute)
}

func TestAStaleReadAfterANewerAcknowledgedWriteIsFound(t *testing.T) {
	found := judged(t, `
{"id":1,"key":"a","op":"put","value":"1","call":0,"return":10}
{"id":2,"key":"a","op":"put","value":"2","call":20,"return":30}
{"id":3,"key":"a","op":"get","value":"1","call":40,"return":50}
{"id":4,"key":"b","op":"get","call":40,"return":50}`)
	if found.Keys != 2 || found.Operations != 4 || len(found.Illegal) != 1 {
		t.Fatalf("%+v", found)
	}
	if got := found.Illegal[0]; got.Key != "a" || got.Ordered != 2 || len(got.Stuck) != 1 || got.Stuck[0] != 3 {
		t.Fatalf("%+v", got)
	}
}

func TestAWriteOfUnknownOutcomeMayComeLateButNotGoBack(t *testing.T) {
	const history = `
{"id":1,"key":"a","op":"put","value":"1","call":0}
{"id":2,"key":"a","op":"put","value":"2","call":20,"return":30}
{"id":3,"key":"a","op":"get","value":"2","call":40,"return":50}
{"id":4,"key":"a","op":"get","value":"1","call":60,"return":70}`
	if found := judged(t, history); len(found.Illegal) != 0 {
		t.Fatalf("%+v", found)
	}
	back := history + `
{"id":5,"key":"a","op":"get","value":"2","call":80,"return":90}`
	if found := judged(t, back); len(found.Illegal) != 1 {
		t.Fatalf("%+v", found)
	}
}

func TestAClearEmptiesAndAReadOfWhatNobodyWroteIsFound(t *testing.T) {
	if found := judged(t, `
{"id":1,"key":"a","op":"put","value":"1","call":0,"return":10}
{"id":2,"key":"a","op":"clear","call":20,"return":30}
{"id":3,"key":"a","op":"get","call":25,"return":40}
{"id":4,"key":"b","op":"get","value":"7","call":25,"return":40}`); len(found.Illegal) != 1 {
		t.Fatalf("%+v", found)
	}
}

func TestWhatTakesTooLongIsUndecidedAndNeverHeld(t *testing.T) {
	history := map[string][]operation{"a": {{Key: "a", Op: "get"}}}
	if found := judge(history, 0); len(found.Undecided) != 1 {
		t.Fatalf("%+v", found)
	}
}

func TestALineThatIsNoOperationIsRefused(t *testing.T) {
	for _, line := range []string{`{`, `{"op":"cas"}`, `{"op":"get","call":5,"return":4}`} {
		if _, err := read(strings.NewReader(line)); err == nil {
			t.Fatalf("%s was taken", line)
		}
	}
}
