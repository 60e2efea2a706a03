package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// livez says whether the observer goes on looking.
func (a *API) livez(w http.ResponseWriter, _ *http.Request) {
	if err := a.Live(time.Now()); err != nil {
		writeText(w, http.StatusServiceUnavailable, err.Error()+"\n")
		return
	}
	writeText(w, http.StatusOK, "ok\n")
}

// Live says why the observer seems to have stopped; nil: it has not, or it has just
// been started.
func (a *API) Live(now time.Time) error {
	if a.cfg.Observer == nil || now.Sub(a.started) < time.Minute {
		return nil
	}
	if turns, _ := a.cfg.Observer.Alive(now); !turns {
		return errors.New("the observer no longer looks at records: what is shown is old")
	}
	return nil
}

// readyz says whether every record was looked at once.
func (a *API) readyz(w http.ResponseWriter, _ *http.Request) {
	v := a.view()
	missing := 0
	for i := range v.items {
		if v.items[i].Seen == nil {
			missing++
		}
	}
	if missing > 0 {
		writeText(w, http.StatusServiceUnavailable, fmt.Sprintf("%d of %d records were not looked at yet\n", missing, len(v.items)))
		return
	}
	writeText(w, http.StatusOK, "ok\n")
}
