' Types into workbooks as a person does, and tells what they then show.
'
' An order is a line of words between tabs. What is read is told as lines of a sheet, a row, a
' column, "text" or "number", and a text or a number's millions and rest, as Str is good for 15
' digits; then "end". "error" is told where a run stopped.

Dim book As Object
Dim opened As String
Dim told As Object
Dim typed(100) As Object
Dim before(100) As String
Dim count As Integer

' Runs as often as it is asked to: by a byte over a connection, whose end is the office's too.
Sub Serve(address As String, orders As String, answers As String)
  Dim word()
  On Error GoTo Ended
  caller = createUnoService("com.sun.star.connection.Connector").connect(address)
  Do While caller.read(word, 1) = 1
    Run(orders, answers)
    caller.write(word)
  Loop
Ended:
  StarDesktop.terminate()
End Sub

Sub Run(orders As String, answers As String)
  files = createUnoService("com.sun.star.ucb.SimpleFileAccess")
  asked = createUnoService("com.sun.star.io.TextInputStream")
  asked.setInputStream(files.openFileRead(orders))
  told = createUnoService("com.sun.star.io.TextOutputStream")
  told.setOutputStream(files.openFileWrite(answers))
  On Error GoTo Failed
  opened = ""
  Do While Not asked.isEOF()
    Obey(Split(asked.readLine(), Chr(9)))
  Loop
  CloseBook()
  Tell(Array("done"))
  GoTo Ended
Failed:
  Tell(Array("error", Error()))
Ended:
  asked.closeInput()
  told.closeOutput()
End Sub

Sub Obey(words)
  Select Case words(0)
    Case "open"
      OpenBook(words(1))
    Case "save"
      book.storeToURL(words(1), Array(Given("FilterName", "Calc MS Excel 2007 XML")))
      OpenBook(words(1))
    Case "number"
      Place(words(1)).Value = CDbl(words(2))
    Case "text"
      Place(words(1)).String = words(2)
    Case "nothing"
      Place(words(1)).String = ""
    Case "undo"
      Do While count > 0
        count = count - 1
        typed(count).Formula = before(count)
      Loop
    Case "read"
      ReadRange(words(1))
    Case "end"
      Tell(words)
  End Select
End Sub

Sub OpenBook(address)
  If address = opened Then Exit Sub
  CloseBook()
  opened = address
  book = StarDesktop.loadComponentFromURL(address, "_blank", 0, Array(Given("Hidden", True)))
  book.calculateAll()
  count = 0
End Sub

Sub CloseBook()
  If opened <> "" Then book.close(True)
  opened = ""
End Sub

Function Given(name, value)
  Dim one As New com.sun.star.beans.PropertyValue
  one.Name = name
  one.Value = value
  Given = one
End Function

' The cells of a name of the workbook's own, or of a sheet, as Prices!B5 or all that it uses, as Prices!
Function Range(name)
  If InStr(name, "!") = 0 Then
    Range = book.NamedRanges.getByName(name).getReferredCells()
    Exit Function
  End If
  words = Split(name, "!")
  sheet = book.Sheets.getByName(words(0))
  If words(1) <> "" Then
    Range = sheet.getCellRangeByName(words(1))
  Else
    cursor = sheet.createCursor()
    cursor.gotoEndOfUsedArea(False)
    last = cursor.RangeAddress
    Range = sheet.getCellRangeByPosition(0, 0, last.EndColumn, last.EndRow)
  End If
End Function

Function Place(name)
  Place = Range(name).getCellByPosition(0, 0)
  typed(count) = Place
  before(count) = Place.Formula
  count = count + 1
End Function

Sub ReadRange(name)
  area = Range(name)
  first = area.RangeAddress
  sheet = area.Spreadsheet.Name
  tabs = Chr(9)
  rows = area.getDataArray()
  For row = 0 To UBound(rows)
    values = rows(row)
    at = sheet + tabs + (first.StartRow + row) + tabs
    lines = ""
    For column = 0 To UBound(values)
      found = values(column)
      kind = VarType(found)
      If kind = 5 Then
        millions = Int(found / 1000000)
        lines = lines + at + (first.StartColumn + column) + tabs + "number" + tabs + Trim(Str(millions)) + tabs + Trim(Str(found - millions * 1000000)) + Chr(10)
      ElseIf kind <> 8 Then
        lines = lines + at + (first.StartColumn + column) + tabs + "text" + tabs + area.getCellByPosition(column, row).String + Chr(10)
      ElseIf found <> "" Then
        lines = lines + at + (first.StartColumn + column) + tabs + "text" + tabs + Join(Split(found, Chr(10)), "\n") + Chr(10)
      End If
    Next
    If lines <> "" Then told.writeString(lines)
  Next
End Sub

Sub Tell(words)
  told.writeString(Join(words, Chr(9)) + Chr(10))
End Sub
