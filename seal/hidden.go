package seal

// A hidden holds what fmt is not to show. Where a key is in somebody's unexported field
// fmt does not ask its Format, and shows what lies behind one pointer for some verbs; of
// a pointer to a pointer it never shows more than the address. Two are equal for
// reflect.DeepEqual if what they hold is.
type hidden[T any] struct{ at **T }

func hide[T any](v T) hidden[T] {
	at := &v
	return hidden[T]{&at}
}

func (h hidden[T]) get() *T { return *h.at }
