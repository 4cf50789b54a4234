// Package codec is the default codec: MessagePack, for plain Go types as they are
// and for types with methods from the msgp tool.
//
//	type Move struct {
//		Tick uint32
//		Pos  [2]float32
//		Keys []string
//	}
//
//	func main() {
//		var c codec.Msgp
//		b, err := c.Append(nil, &Move{Tick: 7, Pos: [2]float32{1, 2}, Keys: []string{"left"}})
//		if err != nil {
//			log.Fatal(err)
//		}
//		var m Move
//		rest, err := c.Decode(b, &m)
//		fmt.Println(m, len(rest), err) // {7 [1 2] [left]} 0 <nil>
//	}
//
// # Types
//
// These travel, and the named forms of them: bool, all integers and floats,
// string, []byte, [N]byte, time.Time, time.Duration, structs, slices, arrays, maps
// keyed by strings or integers, pointers, and any. Channels, functions, complex
// numbers, interfaces with methods and maps with other keys give an error that
// wraps core.ErrUnsupported; [Msgp.Supports] finds them before the first message.
//
// A struct is a tuple: the array of its exported fields in the order of their
// declaration, the fields of an embedded struct in its place. Names do not
// travel, so both sides must have the same fields, which peers make sure of
// before they speak; another number of fields is an error. The tags `parley:"-"`
// and `msg:"-"` leave a field behind. A struct that has fields but exports none
// is refused, as it would arrive empty.
//
//	Go                       MessagePack
//	integers                 the shortest integer, the same for int and uint
//	float32, float64         float 32, float 64
//	string                   str, byte for byte, be it UTF-8 or not
//	[]byte, [N]byte          bin
//	time.Time                timestamp (ext -1): the instant, without zone or monotonic clock
//	struct, slice, array     array
//	map                      map, keys in ascending order
//	nil of any kind          nil
//
// Nil and empty slices and maps stay apart. A pointer to something that is nil
// comes back as a nil pointer. -0 stays -0. All NaNs are written as the same one,
// as processors disagree about their bits. Times come back in UTC.
//
// What an any holds comes back as one of: nil, bool, int64, uint64 (only above
// math.MaxInt64), float32, float64, string, []byte, time.Time, []any (also for
// arrays and structs), map[string]any, or, when the keys are integers,
// map[int64]any, and map[uint64]any if one is above math.MaxInt64. A duration is
// an int64 there, an empty map a map[string]any.
//
// # Bytes from strangers
//
// Decode returns for all bytes, with a value or an error. Strings, lists and maps
// that are announced must be there; a map must not have a key twice; numbers must
// fit; nothing may be nested in more than 64 arrays, structs and maps. Decode
// adds up the memory that it is about to take, and refuses what would take more
// than 64 KiB plus 64 bytes for each byte. Append adds up the same, so a sender
// is told and not its peer. That meets only long lists of small maps or of
// structs with large fields that do not travel: a map of one entry takes 350
// bytes of memory, even when it came in 3.
//
// What Decode fills is set to zero first, and again after an error.
//
// # Generated methods
//
// A type with both MarshalMsg and UnmarshalMsg is written by them, which is up to
// twice as fast:
//
//	//go:generate go tool msgp -io=false -tests=false
//	//msgp:tuple Move
//
// Such code believes what it reads: eight bytes can make it take 1.5 GiB. So
// Decode walks over all of the bytes first, checks them as above and works out
// from the type what they will take. It is best to give the generator a limit all
// the same (//msgp:limit), for whoever calls the methods directly. A panic in a
// method is an error here.
//
// Some of it cannot be made safe from outside, and is refused with an error that
// wraps core.ErrUnsupported:
//
//   - a map, or an interface, in a type with methods: generated code writes the
//     entries of a map in another order each time, and equal values must give
//     equal bytes;
//   - a type with methods that contains itself: generated code follows a cycle
//     until the stack is full, which ends the program.
//
// The cure is to drop the methods of that type (package codec sorts maps and
// counts levels), to tag the field `msg:"-"` if it does not travel, or to use a
// sorted slice of pairs in place of a map, and indices in place of pointers.
//
// A struct that embeds one with methods inherits them, and they know nothing of
// its other fields. Inherited methods are not used.
//
// For all else, methods mean what they do: a tuple or a map with names, nil or
// empty, one NaN or many. Methods written by hand must write exactly one object,
// and must take no more memory than its type shows.
package codec
