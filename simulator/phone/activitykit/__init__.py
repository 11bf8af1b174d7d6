"""What iOS does with Live Activities: which push starts, changes or ends one, and what time does to it. No I/O.

Each rule says where it comes from: documented (Apple's text: "Starting and updating Live Activities with ActivityKit push
notifications", "Displaying live data with Live Activities"), observed (developers' reports), assumed (our choice).
"""
