package codec

// The bounds that every input meets.
const (
	maxDepth   = 64       // levels of arrays, structs and maps
	costBase   = 48 << 10 // bytes of memory that any input may take; 16 KiB more are for errors
	costFactor = 64       // and for each byte of it
)

// budget returns how much memory decoding n bytes may take. Encoder and decoder
// add up the same costs, so that what Append writes, Decode takes.
func budget(n int) int64 { return costBase + costFactor*int64(n) }

// allocCost bounds the memory behind one allocation of n bytes, with what the
// allocator's size classes waste.
func allocCost(n int) int64 { return listCost(n, 1) }

// listCost does so for n elements of a size.
func listCost(n, size int) int64 {
	bytes := int64(n) * int64(size)
	if bytes == 0 {
		return 0
	}
	return bytes + bytes/4 + 16
}

// What it takes to put a value into an interface. Boxed values are small and lie
// close together, so they waste less than allocCost says.
const (
	boxWord   = 16 // integers, floats
	boxString = 24
	boxSlice  = 32
	boxTime   = 32
)

const (
	anySize    = 16 // memory of one interface value
	stringSize = 16
)

// mapCost bounds the memory of a map of n entries, made with room for n: tables
// with a power of two of slots, at most 7/8 full, which may split once.
func mapCost(key, elem, n int) int64 {
	const head, maxInline = 48, 128
	if n == 0 {
		return head
	}
	apart := int64(0) // keys and elements beyond maxInline lie apart
	if key > maxInline {
		apart, key = allocCost(key), 8
	}
	if elem > maxInline {
		apart, elem = apart+allocCost(elem), 8
	}
	slots := int64(8)
	if n > 8 {
		for slots*7/8 < int64(n) {
			slots *= 2
		}
	}
	bytes := slots * int64(key+elem+1)
	bytes += bytes/8 + head
	if n > 8 {
		bytes += 128
	}
	if slots > 1024 {
		bytes *= 3
	}
	return bytes + int64(n)*apart
}
