package arq

// A ring is a queue in an array whose length is a power of two, or 0.
type ring[T any] struct {
	array []T
	head  int // where the first element is
	n     int
}

const smallestRing = 8

func (r *ring[T]) at(i int) *T { return &r.array[(r.head+i)&(len(r.array)-1)] }

func (r *ring[T]) push(v T) {
	if r.n == len(r.array) {
		r.resize(max(smallestRing, 2*r.n))
	}
	r.n++
	*r.at(r.n - 1) = v
}

func (r *ring[T]) pop() {
	r.head = (r.head + 1) & (len(r.array) - 1)
	r.n--
}

func (r *ring[T]) resize(size int) {
	array := make([]T, size)
	for i := range r.n {
		array[i] = *r.at(i)
	}
	r.array, r.head = array, 0
}
