package conformance

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/conformance/netsim"
	"github.com/parley-net/parley/core"
)

// Transport says how TestTransport and BenchTransport come by the adapter under
// test. All fields but New are optional.
type Transport struct {
	// New returns a fresh core.Transport. It is called at least once for each law, and
	// cleans up with Cleanup of the TB.
	New func(testing.TB) core.Transport

	// NewOn returns a fresh core.Transport whose sockets are opened on a simulated
	// network, as by its ListenPacket. It is for adapters on datagrams, and zero means that
	// the laws of bad networks are skipped.
	NewOn func(testing.TB, *netsim.Network) core.Transport

	// Virtual says that what NewOn returns lives in a bubble of testing/synctest: it
	// shares no goroutine, channel or timer with what was made elsewhere. The laws of bad
	// networks then run in virtual time, which is quick and exact, and for hours where
	// a law is about hours. Zero means real time.
	Virtual bool

	// Silent returns a fresh core.Transport, and a function after whose call nothing
	// passes any more between its Conns, without any of them being told: as if the
	// cable were pulled. Zero means that NewOn serves for that; or, for adapters whose
	// Listeners have TCP addresses, a netsim.Proxy; or else that the laws which need it
	// are skipped.
	Silent func(testing.TB) (t core.Transport, silence func())

	// Addr is what the laws listen at. Zero means "127.0.0.1:0". If it is not the
	// address of any number of Listeners at a time, laws that need two are skipped.
	Addr string

	// Timeout is how long the adapter takes to notice that its peer fell silent. Laws
	// wait for as long, so an adapter under test should be set to a short one. Zero
	// means 10 s.
	Timeout time.Duration

	// Except names the laws that the adapter cannot keep, each with the reason.
	Except map[string]string

	// Seed decides all that is left to chance. Zero means a new one for each run.
	Seed uint64
}

// TestTransport runs every law of core.Transport, core.Listener and core.Conn as a
// subtest. The subtests do not run in parallel, as some of them count goroutines,
// memory and open files of the process.
func TestTransport(t *testing.T, h Transport) {
	t.Helper()
	if h.New == nil {
		t.Fatal("conformance: Transport.New is not set")
	}
	h, o := h.options()
	runLaws(t, transportLaws(), h, o)
}

// patience is how long an adapter may take for what it must do soon. A machine that
// is busy with other things must not make a sound adapter fail.
const patience = 10 * time.Second

// anyPort is what the zero Transport.Addr means.
const anyPort = "127.0.0.1:0"

// options fills in the defaults.
func (h Transport) options() (Transport, options) {
	simulated := []string{"Network/"} // groups of laws
	if h.Silent == nil && h.NewOn != nil {
		simulated = append(simulated, "Silence/")
		h.Silent = func(tb testing.TB) (core.Transport, func()) {
			n := netsim.NewNetwork(h.Seed)
			tb.Cleanup(func() { n.Close() })
			return h.NewOn(tb, n), n.Cut
		}
	}
	if h.Addr == "" {
		h.Addr = anyPort
	}
	if h.Timeout <= 0 {
		h.Timeout = 10 * time.Second
	}
	if h.Seed == 0 {
		h.Seed = uint64(time.Now().UnixNano())
	}
	return h, options{
		virtual: func(law string) bool {
			return h.Virtual && slices.ContainsFunc(simulated, func(group string) bool { return strings.HasPrefix(law, group) })
		},
		except: h.Except,
		limit:  60*time.Second + 3*h.Timeout,
		wait:   patience,
		seed:   h.Seed,
	}
}

// transportLaws returns the laws of a transport in the order in which they run.
func transportLaws() []law[Transport] {
	return slices.Concat(
		dialLaws, listenLaws, acceptLaws, strangerLaws, sendLaws, recvLaws, sizeLaws, orderLaws, closeLaws, endLaws,
		dropLaws, statsLaws, wrapLaws, concurrencyLaws, silenceLaws, streamLaws,
		networkLaws, lossLaws, linkLaws, outageLaws, hostileLaws, spoofLaws, moveLaws, socketLaws, leakLaws,
	)
}
