package conformance

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"
)

// The types of the contract, as games use them.
type (
	codecColor uint8
	codecLevel int16
	codecTitle string
	codecRatio float32
	codecBlob  []byte
	codecPair  struct{ A, B int16 }
	codecNode  struct { // need not be taken, as it contains itself
		V    int
		Next *codecNode
		Kids []codecNode
	}
	codecEvery struct {
		Bool   bool
		I      int
		I8     int8
		I16    int16
		I32    int32
		I64    int64
		U      uint
		U8     uint8
		U16    uint16
		U32    uint32
		U64    uint64
		F32    float32
		F64    float64
		S      string
		B      []byte
		Arr    [4]byte
		Nums   [3]int32
		T      time.Time
		D      time.Duration
		Color  codecColor
		Level  codecLevel
		Title  codecTitle
		Ratio  codecRatio
		Blob   codecBlob
		In     codecPair
		PIn    *codecPair
		PInt   *int64
		List   []codecPair
		Colors []codecColor
		Deep   [][]string
		M      map[string]int
		MI     map[int8]string
		MU     map[codecColor]codecPair
		MT     map[codecTitle][]byte
		Any    any
		AnyM   map[string]any
		AnyL   []any
	}
)

// codecTypes are those that every codec takes.
var codecTypes = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](),
	reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[[]byte](), reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](),
	reflect.TypeFor[codecColor](), reflect.TypeFor[codecLevel](), reflect.TypeFor[codecTitle](), reflect.TypeFor[codecRatio](), reflect.TypeFor[codecBlob](),
	reflect.TypeFor[codecPair](), reflect.TypeFor[codecEvery](), reflect.TypeFor[*codecPair](), reflect.TypeFor[*int](), reflect.TypeFor[*string](),
	reflect.TypeFor[[]int](), reflect.TypeFor[[]string](), reflect.TypeFor[[][]byte](), reflect.TypeFor[[]codecPair](), reflect.TypeFor[[]*codecPair](), reflect.TypeFor[[]time.Time](),
	reflect.TypeFor[[]bool](), reflect.TypeFor[[]float32](), reflect.TypeFor[[3]int32](), reflect.TypeFor[[4]byte](), reflect.TypeFor[[2]codecPair](),
	reflect.TypeFor[map[string]int](), reflect.TypeFor[map[string]string](), reflect.TypeFor[map[int]string](), reflect.TypeFor[map[int8]bool](), reflect.TypeFor[map[uint64]int](),
	reflect.TypeFor[map[codecTitle]codecPair](), reflect.TypeFor[map[codecColor][]int](), reflect.TypeFor[map[string]map[int16][]string](),
	reflect.TypeFor[map[string]any](), reflect.TypeFor[[]any](), reflect.TypeFor[[]map[string]any](), reflect.TypeFor[any](),
}

var codecAny = reflect.TypeFor[any]()

// codecSamples makes one value of each type.
func codecSamples(r *rand.Rand) []any {
	values := make([]any, len(codecTypes))
	for i, t := range codecTypes {
		v := reflect.New(t).Elem()
		codecFill(r, v, 2)
		values[i] = v.Interface()
	}
	return values
}

var (
	codecFloats = []float64{0, 1, -0.5, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat32, math.SmallestNonzeroFloat32, math.MaxFloat64,
		math.SmallestNonzeroFloat64, math.Pi, 1 << 53, 1<<60 + 1, math.Copysign(0, -1)}
	codecStrings = []string{"", "a", "\x00", "bad \xff\xfe UTF-8", "héllo 世界 🎲", "\"quoted\"\n\\", "null", "\xed\xa0\x80", strings.Repeat("x", 31), strings.Repeat("y", 32), strings.Repeat("z", 300)}
	codecTimes   = []time.Time{time.Unix(0, 0).UTC(), time.Unix(-1, 1).UTC(), time.Unix(1<<31, 0).UTC(), time.Unix(1<<34, 999_999_999).UTC(), {},
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(2024, 2, 29, 1, 2, 3, 4000, time.FixedZone("far", 14*3600))}
)

// codecTameFloats and codecTameTexts are floats and texts that even a codec with declared exceptions takes,
// so that one such exception does not break the laws of other matters.
var (
	codecTameFloats = []float64{0, 1, -0.5, 0.1, math.MaxFloat32, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Pi, 1 << 53}
	codecTameTexts  = []string{"", "a", "\x00", "héllo 世界 🎲", "\"quoted\"\n\\", "null", strings.Repeat("x", 31), strings.Repeat("y", 32)}
)

// codecFill fills v with a value of its type, of the tame ones; deep is how many
// levels it may have.
func codecFill(r *rand.Rand, v reflect.Value, deep int) {
	t := v.Type()
	if t == reflect.TypeFor[time.Time]() {
		at := time.Unix(r.Int64N(1<<36)-1<<34, r.Int64N(1e9)).UTC()
		if r.IntN(3) == 0 {
			at = codecTimes[r.IntN(len(codecTimes))]
		}
		v.Set(reflect.ValueOf(at))
		return
	}
	n := 0
	if deep > 0 {
		n = r.IntN(4)
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(r.Uint64()) >> (64 - t.Bits()) >> r.IntN(t.Bits()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(r.Uint64() >> (64 - t.Bits()) >> r.IntN(t.Bits()))
	case reflect.Float32:
		v.SetFloat(float64(float32(r.NormFloat64())))
	case reflect.Float64:
		v.SetFloat([]float64{r.NormFloat64(), codecTameFloats[r.IntN(len(codecTameFloats))]}[r.IntN(2)])
	case reflect.String:
		v.SetString(codecTameTexts[r.IntN(len(codecTameTexts))])
	case reflect.Slice:
		if r.IntN(6) == 0 {
			return
		}
		v.Set(reflect.MakeSlice(t, n, n))
		for i := range n {
			codecFill(r, v.Index(i), deep-1)
		}
	case reflect.Array:
		for i := range v.Len() {
			codecFill(r, v.Index(i), deep-1)
		}
	case reflect.Map:
		if r.IntN(6) == 0 {
			return
		}
		v.Set(reflect.MakeMap(t))
		for range n {
			key, elem := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			codecFill(r, key, deep-1)
			codecFill(r, elem, deep-1)
			v.SetMapIndex(key, elem)
		}
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(t.Elem()))
			codecFill(r, v.Elem(), deep-1)
		}
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				codecFill(r, v.Field(i), deep-1)
			}
		}
	case reflect.Interface:
		kinds := []reflect.Type{reflect.TypeFor[bool](), reflect.TypeFor[int32](), reflect.TypeFor[uint16](), reflect.TypeFor[float64](), reflect.TypeFor[string](),
			reflect.TypeFor[[]any](), reflect.TypeFor[map[string]any]()}
		if i := r.IntN(len(kinds) + 1); i < len(kinds) {
			x := reflect.New(kinds[i]).Elem()
			codecFill(r, x, deep-1)
			v.Set(x)
		}
	}
}
