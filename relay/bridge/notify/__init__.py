"""From a change of a session to the events that the relay gets: few and right, none lost, none twice."""
