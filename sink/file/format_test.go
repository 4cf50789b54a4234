package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// golden is what a file of this format looks like, byte by byte.
const golden = `{"type":"match","match":"match \"7\"","format":1,"crc":"5f290ab3"}
{"type":"snapshot","match":"match \"7\"","epoch":1,"tick":60,"time":"2024-02-29T22:59:59.000000005Z","crc":"a319339f"}
{"type":"object","match":"match \"7\"","epoch":1,"tick":60,"time":"2024-02-29T22:59:59.000000005Z","id":1,"class":"Knight","owner":2,"alive":true,"fields":{"HP":80,"X":{"$float":"NaN"},"Seen":{"$time":"2024-02-29T22:59:59.000000005Z"}},"crc":"49c2f2fb"}
{"type":"object","match":"match \"7\"","epoch":1,"tick":60,"time":"2024-02-29T22:59:59.000000005Z","id":18446744073709551615,"class":"Tree","owner":0,"alive":false,"fields":{},"crc":"75dc80b6"}
{"type":"end","match":"match \"7\"","epoch":1,"tick":60,"time":"2024-02-29T22:59:59.000000005Z","objects":2,"crc":"e613aa79"}
{"type":"event","match":"match \"7\"","epoch":1,"seq":1,"tick":58,"time":"2024-02-29T22:59:59.000000005Z","kind":"joined","player":2,"data":{"n":7e0,"name":"b\nb"},"crc":"d2894c7c"}
{"type":"event","match":"match \"7\"","epoch":1,"seq":2,"tick":18446744073709551615,"time":"2024-02-29T22:59:59.000000005Z","kind":"left","player":0,"crc":"d4d0f21a"}
`

// TestFormat holds what is in a file: an older one must stay readable.
func TestFormat(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	m := `match "7"`
	at := time.Date(2024, 2, 29, 23, 59, 59, 5, time.FixedZone("east", 3600))
	snapshot := core.Snapshot{Match: m, Epoch: 1, Tick: 60, Time: at, Objects: slices.Values([]core.ObjectState{
		{ID: 1, Class: "Knight", Owner: 2, Alive: true, Fields: []core.Field{{Name: "HP", Value: int64(80)}, {Name: "X", Value: math.NaN()}, {Name: "Seen", Value: at}}},
		{ID: math.MaxUint64, Class: "Tree"},
	})}
	events := []core.Event{{Match: m, Epoch: 1, Seq: 1, Tick: 58, Time: at, Kind: "joined", Player: 2, Data: map[string]any{"name": "b\nb", "n": uint64(7)}}, {Match: m, Epoch: 1, Seq: 2, Tick: math.MaxUint64, Time: at, Kind: "left"}}
	mustWrite(t, s, []core.Snapshot{snapshot}, events)
	closed(t, s)
	if got := string(readFile(t, fileOf(dir, m))); got != golden {
		t.Errorf("the file is\n%s\nwant\n%s", got, golden)
	}
	writeFile(t, fileOf(dir, m), []byte(golden))
	holds(t, open(t, Config{Dir: dir}), m, []core.Snapshot{snapshot}, events)
	for line := range strings.Lines(golden) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil || fields["type"] == "" || fields["match"] != m {
			t.Errorf("%s is no record: %v", line, err)
		}
	}
}

// TestTools runs what doc.go tells people to run.
func TestTools(t *testing.T) {
	for _, tool := range []string{"jq", "grep"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed, so nobody can tell what it makes of a file", tool)
		}
	}
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	mustWrite(t, s, []core.Snapshot{snapshotOf("match 7", 1, 2, 8), snapshotOf("match 7", 1, 4, 8)}, eventsOf("match 7", 1, 1, 2))
	for want, cmd := range map[string][]string{
		"[2,7,-4]\n[4,7,-2]\n": {"jq", "-c", `select(.type == "object" and .id == 7) | [.tick, .id, .fields.HP]`},
		`["2024-03-01T00:00:00.123456789Z","scored",1,{"seq":1}]` + "\n" + `["2024-03-01T00:00:01.123456789Z","scored",2,{"seq":2}]` + "\n": {"jq", "-c", `select(.type == "event") | [.time, .kind, .player, .data]`},
		"2\n": {"grep", "-c", `"id":7,`},
	} {
		out, err := exec.Command(cmd[0], append(cmd[1:], fileOf(dir, "match 7"))...).Output()
		// Some versions of jq keep how a number was spelled.
		if got := strings.ReplaceAll(string(out), "e0}", "}"); err != nil || got != want {
			t.Errorf("%q says %q, %v; want %q", cmd, got, err, want)
		}
	}
}

// TestTooLong holds that an object of more than a line may have is refused, and leaves
// nothing behind.
func TestTooLong(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 50 MB of memory")
	}
	dir := t.TempDir()
	s := open(t, Config{Dir: dir, Ack: AckOS})
	mustWrite(t, s, nil, eventsOf("m", 1, 1, 1))
	before := readFile(t, fileOf(dir, "m"))
	big := bytes.Repeat([]byte{1}, maxLine/4*3)
	x := snapshotOf("m", 1, 1, 2000) // some of it goes to the file first
	objects := x.Objects
	x.Objects = func(yield func(core.ObjectState) bool) {
		objects(yield)
		yield(core.ObjectState{ID: 9999, Fields: []core.Field{{Name: "map", Value: big}}})
	}
	if err := s.WriteSnapshot(t.Context(), x); !errors.Is(err, core.ErrTooLarge) || !strings.Contains(err.Error(), "object 9999") {
		t.Error(err)
	}
	events := eventsOf("m", 1, 2, 3)
	events[1].Data = map[string]any{"map": big}
	if n, err := s.WriteEvents(t.Context(), events); n != 1 || !errors.Is(err, core.ErrTooLarge) {
		t.Error(n, err)
	}
	events[1].Data = nil
	if got := readFile(t, fileOf(dir, "m")); !bytes.HasPrefix(got, before) || bytes.Contains(got, []byte("snapshot")) {
		t.Errorf("the file has %d bytes, and had %d", len(got), len(before))
	}
	mustWrite(t, s, nil, events)
	holds(t, s, "m", nil, slices.Concat(eventsOf("m", 1, 1, 1), events))
	// A line that is too long is one that is damaged, and does not stay in memory.
	l := newLines(bytes.NewReader(slices.Concat(bytes.Repeat([]byte{'x'}, maxLine+1), []byte("\nnext\n"))), 0, maxLine+7)
	if line, size, err := l.next(); len(line) != 0 || size != maxLine+2 || err != nil || cap(l.long) > 0 {
		t.Error(len(line), size, err, cap(l.long))
	}
	if line, size, err := l.next(); string(line) != "next" || size != 5 || err != nil {
		t.Errorf("%q, %d, %v", line, size, err)
	}
}

// TestAllocations holds that a line costs no allocation.
func TestAllocations(t *testing.T) {
	f, x, e := formOf("m"), snapshotOf("m", 1, 1, 1), eventsOf("m", 1, 1, 1)[0]
	mark, dst := stamp(x), make([]byte, 0, 4096)
	for o := range x.Objects {
		if n := testing.AllocsPerRun(100, func() {
			b, err := f.appendObject(f.appendSnapshot(dst, mark), mark, o)
			if err == nil {
				b, err = f.appendEvent(f.appendEnd(b, mark, 1), e)
			}
			if err != nil || len(b) == 0 {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations for four lines", n)
		}
	}
}
