package conformance

import (
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/core"
)

// Codec says how TestCodec and BenchCodec come by the codec under test. All fields
// but New are optional.
type Codec struct {
	// New returns the codec. It is called at least once for each law; two that it
	// returns must write the same bytes.
	New func(testing.TB) core.Codec

	// Values are values of types of one's own, such as those with generated methods.
	// They are held to the laws beside the values that the suite makes. Each is
	// decoded into its own type, a pointer into what it points to, and compared part by
	// part; fields that do not travel must be zero.
	Values []any

	// Alloc declares how many bytes of memory Decode may take for n bytes of src. Nil
	// means what package core allows: 64 KiB and 64 for each byte.
	Alloc func(n int) int64

	// Except names the laws that the codec cannot keep, each with the reason.
	Except map[string]string

	// Seed decides all that is left to chance. Zero means a new one for each run.
	Seed uint64
}

// TestCodec runs every law of core.Codec as a subtest. If the codec also has a
// method Supports(reflect.Type) error, that must agree with Append. The subtests do
// not run in parallel, and nothing else should, as some of them measure the memory
// that the process takes.
func TestCodec(t *testing.T, h Codec) {
	t.Helper()
	if h.New == nil {
		t.Fatal("conformance: Codec.New is not set")
	}
	h, o := h.options()
	runLaws(t, codecLaws(), h, o)
}

// options fills in the defaults.
func (h Codec) options() (Codec, options) {
	if h.Alloc == nil {
		h.Alloc = func(n int) int64 { return 64<<10 + 64*int64(n) }
	}
	if h.Seed == 0 {
		h.Seed = uint64(time.Now().UnixNano())
	}
	return h, options{except: h.Except, limit: 2 * time.Minute, wait: 10 * time.Second, seed: h.Seed}
}

// codecLaws returns the laws of a codec in the order in which they run.
func codecLaws() []law[Codec] {
	return slices.Concat(codecTripLaws, codecOwnerLaws, codecSchemaLaws, codecEqualLaws, codecRefuseLaws, codecByteLaws, codecBombLaws, codecUseLaws)
}
