"""The exercises: what is right, how an answer is judged, and which hint helps.

What enters: an answer to a task of a lesson's sheet. What leaves: a hint, or nothing where it is right.
Read first `tasks`, the table; then `judges`, and `right`, which works out what is right. `fs.course.check`
is the door.
"""
