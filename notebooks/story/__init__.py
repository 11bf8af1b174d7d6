"""The one module behind the notebooks: a stage on this machine where the relay is real and the rest is simulated.

`Story` is a relay, an APNs sandbox and paired phones on a virtual clock: hours pass in seconds. The notebook takes the part
of the bridge and reports to the relay what happens in a session. `LiveStory` is the whole chain in real time: the relay and the
bridge as processes, a fake OpenCode that plays recordings, the sandbox and a phone. Both show pictures: `lock_screen`,
`island`, `sequence`, each with the words for what is seen on it. `sent` shows a push as it came to APNs, `answers`, `rings`, `cards` and
`registered` what became of pushes and phones. `Table`, `timeline` and `steps` show numbers, `qr_code` a pairing link. All servers listen on
127.0.0.1, and nothing outlives `end`.
"""

from story.live_story import LiveStory
from story.pictures import Picture, Table, qr_code, steps, timeline
from story.story import Story

__all__ = ["LiveStory", "Picture", "Story", "Table", "qr_code", "steps", "timeline"]
