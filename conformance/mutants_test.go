package conformance

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// A mutant is a broken Transport and the laws that must catch it.
type mutant struct {
	laws []string
	says string                             // what is wrong with it
	make func(tb testing.TB) core.Transport // fresh
	with func(h *Transport)                 // what else the laws need, if anything
}

func of(laws ...string) []string { return laws }

// mutants returns all of them.
func mutants() []mutant {
	return slices.Concat(leakMutants, dialMutants, listenMutants, sendMutants, recvMutants, sizeMutants, orderMutants, closeMutants,
		abilityMutants, statsMutants, concurrencyMutants, silenceMutants, streamMutants, networkMutants, strangerMutants)
}

// counting reports whether a law looks at the whole process, so that nothing may run beside
// it.
func counting(law string) bool {
	switch law {
	case "Send/UnreliableFlood", "Accept/StrangersCost", "Network/Flood":
		return true
	}
	return strings.HasPrefix(law, "Leak/")
}

// inMemory reports whether nothing but memory is used where mutants are put to a law, so
// that it may run in virtual time.
func inMemory(law string) bool {
	return !counting(law) && !strings.HasPrefix(law, "Stream/") && !strings.Contains(law, "Stranger")
}

// hurried are options under which a broken adapter is found out soon.
func (h Transport) hurried() (Transport, options) {
	h, o := h.options()
	o.wait = time.Second
	o.limit = 20 * time.Second
	asked := o.virtual
	o.virtual = func(law string) bool { return inMemory(law) || asked(law) }
	return h, o
}

// testInMemory puts a Transport that is sound to all laws that need nothing but memory, in
// virtual time.
func testInMemory(t *testing.T, h Transport) {
	t.Parallel()
	h, o := h.options()
	o.virtual = inMemory
	runLaws(t, pick(inMemory), h, o)
}

// pick returns the laws that a function of their name picks.
func pick(may func(law string) bool) []law[Transport] {
	return slices.DeleteFunc(transportLaws(), func(l law[Transport]) bool { return !may(l.name) })
}

// TestReal puts those that are sound to the laws that testInMemory leaves out.
func TestReal(t *testing.T) {
	overSockets := Transport{New: realPackets}
	overPackets("")(&overSockets)
	for name, h := range map[string]Transport{"double": overMemory, "nasty": overNasty, "packets": overSockets} {
		t.Run(name, func(t *testing.T) {
			h, o := h.options()
			runLaws(t, pick(func(law string) bool { return !inMemory(law) }), h, o)
		})
	}
}

// A trial is a mutant before one law.
type trial struct {
	law[Transport]
	mutant
	h    Transport
	o    options
	err  error
	took time.Duration
}

// trials returns all of them.
func trials(t *testing.T) (list []*trial) {
	laws := transportLaws()
	for _, m := range mutants() {
		for _, name := range m.laws {
			i := slices.IndexFunc(laws, func(l law[Transport]) bool { return l.name == name })
			if i < 0 {
				t.Fatalf("a mutant names the law %q, which does not exist", name)
			}
			h := Transport{New: m.make, Timeout: 100 * time.Millisecond}
			if m.with != nil {
				m.with(&h)
			}
			tr := &trial{law: laws[i], mutant: m}
			if tr.h, tr.o = h.hurried(); strings.HasPrefix(name, "Leak/") {
				tr.o.wait = 200 * time.Millisecond // nothing comes back, however long one waits
			}
			list = append(list, tr)
		}
	}
	return list
}

func (tr *trial) title() string {
	return tr.law.name + "/" + strings.ReplaceAll(tr.mutant.says, " ", "_")
}

func (tr *trial) try(t *testing.T) {
	start := time.Now()
	tr.err, _ = tryLaw(t, tr.law, tr.h, tr.o)
	tr.took = time.Since(start)
}

func (tr *trial) report(t *testing.T) {
	var skipped *skipError
	switch {
	case tr.err == nil:
		t.Errorf("an adapter that %s keeps the law %s: %s", tr.mutant.says, tr.law.name, tr.law.says)
	case errors.As(tr.err, &skipped):
		t.Errorf("an adapter that %s is not put to the law %s: %v", tr.mutant.says, tr.law.name, tr.err)
	default:
		t.Logf("caught in %v: %v", tr.took.Round(time.Millisecond), strings.SplitN(tr.err.Error(), "\n", 2)[0])
	}
}

// TestMutants holds that each law fails for the adapters that break it. Most of the real
// time is spent waiting for something that never comes, so many of them run at once.
func TestMutants(t *testing.T) {
	t.Parallel()
	var together []*trial
	for _, tr := range trials(t) {
		switch {
		case counting(tr.law.name): // see TestCountingMutants
		case tr.o.virtual(tr.law.name):
			t.Run(tr.title(), func(t *testing.T) {
				tr.try(t)
				tr.report(t)
			})
		default:
			together = append(together, tr)
		}
	}
	var g sync.WaitGroup
	places := make(chan struct{}, 12)
	for _, tr := range together {
		places <- struct{}{}
		g.Go(func() {
			tr.try(t)
			<-places
		})
	}
	g.Wait()
	for _, tr := range together {
		t.Run(tr.title(), tr.report)
	}
}

// TestCountingMutants is TestMutants for the laws beside which nothing may run.
func TestCountingMutants(t *testing.T) {
	for _, tr := range trials(t) {
		if counting(tr.law.name) {
			t.Run(tr.title(), func(t *testing.T) {
				tr.try(t)
				tr.report(t)
			})
		}
	}
}

// TestMutantForEachLaw holds that there is a mutant for each law.
func TestMutantForEachLaw(t *testing.T) {
	for _, l := range transportLaws() {
		if !slices.ContainsFunc(mutants(), func(m mutant) bool { return slices.Contains(m.laws, l.name) }) {
			t.Errorf("no mutant breaks the law %s: %s", l.name, l.says)
		}
	}
}

// overMemory is what most mutants are made of.
var overMemory = Transport{
	New:     func(testing.TB) core.Transport { return newDouble() },
	Timeout: 100 * time.Millisecond,
}

// TestSound holds that it keeps the laws while it is not broken.
func TestSound(t *testing.T) { testInMemory(t, overMemory) }
